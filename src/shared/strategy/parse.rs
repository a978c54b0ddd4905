//! The expression grammar: text to a tree with places.
//!
//! ```text
//! or    := and ("or" and)*            and  := not ("and" not)*
//! not   := "not" not | compare        compare := sum (("<"|"<="|">"|">="|"=="|"!=") sum)?
//! sum   := product (("+"|"-") product)*
//! product := unary (("*"|"/"|"%") unary)*   unary := "-" unary | power
//! power := place ("^" unary)?         place := atom ("@" duration)? ("." name)?
//! atom := number | duration | 'text' | name | name "(" or ("," or)* ")" | "(" or ")"
//! ```

use super::diagnostic::Diagnostic;
use super::lex::{Token, lex};
use super::op::{Binary, Unary};
use std::ops::Range;

/// How deep an expression may nest.
const MAX_DEPTH: usize = 64;
/// How deep its tree may be: a chain of operators is as deep as it is long.
const MAX_HEIGHT: u16 = 256;

/// A node of the tree with its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Range<usize>,
    /// Nodes from here down to the deepest one.
    pub height: u16,
}

impl Expr {
    /// Its parts, in the order of the text.
    pub fn parts(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Number(_) | Kind::Bool(_) | Kind::Text(_) | Kind::Duration(_) | Kind::Name(_) => Vec::new(),
            Kind::At(a, _) | Kind::Member(a, _) | Kind::Unary(_, a) => vec![a],
            Kind::Call(_, args) => args.iter().collect(),
            Kind::Binary(_, a, b) => vec![a, b],
        }
    }

    /// Moves it, and all in it, further into the text.
    pub fn shift(&mut self, by: usize) {
        self.span = self.span.start + by..self.span.end + by;
        match &mut self.kind {
            Kind::Number(_) | Kind::Bool(_) | Kind::Text(_) | Kind::Duration(_) | Kind::Name(_) => {}
            Kind::At(a, _) | Kind::Member(a, _) | Kind::Unary(_, a) => a.shift(by),
            Kind::Call(_, args) => args.iter_mut().for_each(|a| a.shift(by)),
            Kind::Binary(_, a, b) => [a, b].into_iter().for_each(|e| e.shift(by)),
        }
    }
}

/// Kinds of nodes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// `'text'`.
    Text(String),
    /// `4h`, milliseconds.
    Duration(i64),
    /// A column, parameter or indicator.
    Name(String),
    /// `symbol@4h`.
    At(Box<Expr>, i64),
    /// `symbol.column` or `indicator.output`.
    Member(Box<Expr>, String),
    /// A function call.
    Call(String, Vec<Expr>),
    /// A prefix operator.
    Unary(Unary, Box<Expr>),
    /// An infix operator.
    Binary(Binary, Box<Expr>, Box<Expr>),
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    depth: usize,
}

/// Parses an expression.
///
/// # Errors
/// A [`Diagnostic`] at the first place that does not fit.
pub fn parse(text: &str) -> Result<Expr, Diagnostic> {
    let mut p = Parser { tokens: lex(text)?, at: 0, depth: 0 };
    let expr = p.or()?;
    match p.peek() {
        Token::End => Ok(expr),
        _ => Err(p.unexpected("an operator or the end")),
    }
}

type Parsed = Result<Expr, Diagnostic>;

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Range<usize> {
        self.tokens[self.at].1.clone()
    }

    fn unexpected(&self, wanted: &str) -> Diagnostic {
        let found = match self.peek() {
            Token::Number(n) => format!("'{n}'"),
            Token::Name(n) | Token::Text(n) => format!("'{n}'"),
            Token::Duration(ms) => format!("'{}'", crate::time::interval_text(*ms)),
            Token::Symbol(s) => format!("'{s}'"),
            Token::End => "the end".into(),
        };
        let d = Diagnostic::new(format!("expected {wanted}, found {found}"), self.span());
        let before = self.at.checked_sub(1).map(|at| &self.tokens[at].0);
        match self.peek() {
            Token::Name(n) if ["AND", "OR", "NOT"].contains(&n.as_str()) => {
                d.help(format!("it is written small: {}", n.to_lowercase()))
            }
            _ if matches!(before, Some(Token::Name(n)) if n == "NOT") => d.help("it is written small: not"),
            Token::Symbol("*") if matches!(before, Some(Token::Symbol("*"))) => d.help("a power is a ^ b"),
            Token::Symbol("<" | "<=" | ">" | ">=" | "==" | "!=") => d.help("10 < x < 30 is: 10 < x and x < 30"),
            Token::Symbol(".") if matches!(self.tokens.get(self.at + 1), Some((Token::Number(_), _))) => {
                d.help("a number begins with a digit: 0.5")
            }
            Token::Symbol("." | "(") => {
                d.help("functions take what they look at: mean(x, 20), not x.rolling(20).mean()")
            }
            _ => d,
        }
    }

    fn take_symbol(&mut self, symbols: &[&'static str]) -> Option<&'static str> {
        let Token::Symbol(s) = *self.peek() else { return None };
        let found = symbols.contains(&s).then_some(s)?;
        self.at += 1;
        Some(found)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(n) if n == word);
        self.at += usize::from(found);
        found
    }

    fn deeper(&mut self, f: impl FnOnce(&mut Parser) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Diagnostic::new(format!("the expression nests deeper than {MAX_DEPTH}"), self.span()));
        }
        let out = f(self);
        self.depth -= 1;
        out
    }

    fn or(&mut self) -> Parsed {
        self.deeper(|p| {
            let mut left = p.and()?;
            while p.take_word("or") {
                left = binary(Binary::Or, left, p.and()?)?;
            }
            Ok(left)
        })
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.not()?;
        while self.take_word("and") {
            left = binary(Binary::And, left, self.not()?)?;
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed {
        let start = self.span().start;
        if !self.take_word("not") {
            return self.compare();
        }
        self.deeper(|p| p.not()).map(|inner| unary(Unary::Not, start, inner))
    }

    fn compare(&mut self) -> Parsed {
        let left = self.sum()?;
        let Some(symbol) = self.take_symbol(&["<", "<=", ">", ">=", "==", "!="]) else { return Ok(left) };
        let op = match symbol {
            "<" => Binary::Less,
            "<=" => Binary::LessEqual,
            ">" => Binary::Greater,
            ">=" => Binary::GreaterEqual,
            "==" => Binary::Equal,
            _ => Binary::NotEqual,
        };
        let right = self.sum()?;
        if let Token::Symbol("<" | "<=" | ">" | ">=" | "==" | "!=") = self.peek() {
            return Err(self.unexpected("'and' between comparisons"));
        }
        binary(op, left, right)
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        while let Some(symbol) = self.take_symbol(&["+", "-"]) {
            let op = if symbol == "+" { Binary::Add } else { Binary::Subtract };
            left = binary(op, left, self.product()?)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.unary()?;
        while let Some(symbol) = self.take_symbol(&["*", "/", "%"]) {
            let op = match symbol {
                "*" => Binary::Multiply,
                "/" => Binary::Divide,
                _ => Binary::Modulo,
            };
            left = binary(op, left, self.unary()?)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        let start = self.span().start;
        if self.take_symbol(&["-"]).is_none() {
            return self.power();
        }
        self.deeper(|p| p.unary()).map(|inner| unary(Unary::Negate, start, inner))
    }

    fn power(&mut self) -> Parsed {
        let base = self.place()?;
        if self.take_symbol(&["^"]).is_none() {
            return Ok(base);
        }
        let exponent = self.deeper(|p| p.unary())?;
        binary(Binary::Power, base, exponent)
    }

    fn place(&mut self) -> Parsed {
        let mut atom = self.atom()?;
        if self.take_symbol(&["@"]).is_some() {
            let Token::Duration(ms) = *self.peek() else { return Err(self.unexpected("a length of time after '@'")) };
            let (span, height) = (atom.span.start..self.span().end, atom.height + 1);
            self.at += 1;
            atom = Expr { kind: Kind::At(Box::new(atom), ms), span, height };
        }
        if self.take_symbol(&["."]).is_none() {
            return Ok(atom);
        }
        let Token::Name(name) = self.peek().clone() else { return Err(self.unexpected("a name after '.'")) };
        let span = atom.span.start..self.span().end;
        self.at += 1;
        if let Kind::Name(space) = &atom.kind
            && self.take_symbol(&["("]).is_some()
        {
            return self.arguments(format!("{space}.{name}"), span.start);
        }
        let height = atom.height + 1;
        Ok(Expr { kind: Kind::Member(Box::new(atom), name), span, height })
    }

    fn atom(&mut self) -> Parsed {
        let span = self.span();
        match self.peek().clone() {
            Token::Number(n) => {
                self.at += 1;
                Ok(Expr { kind: Kind::Number(n), span, height: 1 })
            }
            Token::Duration(ms) => {
                self.at += 1;
                Ok(Expr { kind: Kind::Duration(ms), span, height: 1 })
            }
            Token::Text(text) => {
                self.at += 1;
                Ok(Expr { kind: Kind::Text(text), span, height: 1 })
            }
            Token::Name(name) if !matches!(name.as_str(), "and" | "or" | "not") => {
                self.at += 1;
                if self.take_symbol(&["("]).is_some() {
                    return self.arguments(name, span.start);
                }
                let kind = match name.as_str() {
                    "true" => Kind::Bool(true),
                    "false" => Kind::Bool(false),
                    _ => Kind::Name(name),
                };
                Ok(Expr { kind, span, height: 1 })
            }
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.or()?;
                self.take_symbol(&[")"]).ok_or_else(|| self.unexpected("')'"))?;
                Ok(inner)
            }
            _ => Err(self.unexpected("a number, a name or '('")),
        }
    }

    fn arguments(&mut self, name: String, start: usize) -> Parsed {
        let mut arguments = Vec::new();
        if self.take_symbol(&[")"]).is_none() {
            loop {
                arguments.push(self.or()?);
                match self.take_symbol(&[",", ")"]) {
                    Some(",") => {}
                    Some(_) => break,
                    None => return Err(self.unexpected("',' or ')'")),
                }
            }
        }
        let end = self.tokens[self.at - 1].1.end;
        let height = 1 + arguments.iter().map(|a| a.height).max().unwrap_or(0);
        Ok(Expr { kind: Kind::Call(name, arguments), span: start..end, height })
    }
}

fn binary(op: Binary, left: Expr, right: Expr) -> Parsed {
    let (span, height) = (left.span.start..right.span.end, 1 + left.height.max(right.height));
    if height > MAX_HEIGHT {
        let what = format!("the expression chains more than {MAX_HEIGHT} operators");
        return Err(Diagnostic::new(what, right.span).help("name parts of it under [indicators]"));
    }
    Ok(Expr { kind: Kind::Binary(op, Box::new(left), Box::new(right)), span, height })
}

fn unary(op: Unary, start: usize, inner: Expr) -> Expr {
    let (span, height) = (start..inner.span.end, inner.height + 1);
    Expr { kind: Kind::Unary(op, Box::new(inner)), span, height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Symbols that begin with digits, or are written in other letters, stand before their columns; numbers
    /// stay numbers.
    #[test]
    fn symbols_as_the_exchange_has_them() {
        for symbol in ["1000SHIBUSDT", "1INCHUSDT", "1MBABYDOGEUSDT", "BTCUSDT", "币安人生USDT", "B3USDT"] {
            let text = format!("{symbol}.close > 1E5 * 2.5e-3 + 1_000.5");
            let expr = parse(&text).unwrap_or_else(|e| panic!("{symbol}: {}", e.message));
            assert!(format!("{expr:?}").contains(symbol), "{expr:?}");
        }
        for bad in ["1000shib > 1", "币 > 1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn precedence_and_places() {
        let e = parse("a + b * -c > 2 and not d or e").unwrap();
        assert!(matches!(e.kind, Kind::Binary(Binary::Or, ..)));
        let err = parse("a + * b").unwrap_err();
        assert_eq!((err.span.clone(), err.message.contains("found '*'")), (4..5, true));
        assert!(parse("a < b < c").unwrap_err().message.contains("'and' between"));
        assert_eq!(parse("x = 1").unwrap_err().help.as_deref(), Some("compare with '=='"));
        assert!(parse(&"(".repeat(5000)).is_err() && parse(&"-".repeat(5000)).is_err());
        let chain = |n: usize| vec!["1"; n].join("+");
        assert!(parse(&chain(256)).is_ok());
        assert!(parse(&chain(8000)).unwrap_err().message.contains("chains more than 256"));
        assert!(parse("").is_err() && parse("f(1,").is_err() && parse("1.2.3").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}") { let _ = parse(&text); }
        #[test]
        fn never_panics_on_likely_text(text in "[a-c0-9 ().,<>=+*/é-]{0,40}") { let _ = parse(&text); }
    }
}
