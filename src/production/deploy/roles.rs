//! Who may do what with the live table.

/// Roles that an owner gives rights to; none is given more than it needs.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// The reconciler's: it brings the table in line.
    pub writer: Option<String>,
    /// The trading engine's: it reads the views.
    pub reader: Option<String>,
    /// Of whoever is on call: it reads, and says what is to stop.
    pub stopper: Option<String>,
}
