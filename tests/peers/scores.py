"""How each score on offer ranks random trials by the Sharpe ratio of bars that it did not see.

For each shipped strategy: random trials of one seed are scored on real data without their last year, once with each
figure, and run once more with that year alone out of sample. The rank correlation of score and that year's Sharpe ratio
is bootstrapped over the trials, and its difference from that of the default score over the same draws. A trial whose
account is ruined has no score, and is in no figure's ranking.

Writes tests/peers/scores.json, which tests/peers.rs judges. Run it again after a change of a score:

    python tests/peers/scores.py target/release/assay "$ASSAY_DATA" 500 > tests/peers/scores.json
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

ASSAY, DATA, TRIALS = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2], int(sys.argv[3])
ROOT = pathlib.Path(__file__).resolve().parents[2]
FIGURES = ["sharpe", "sortino", "calmar", "cagr", "growth", "cagr-calmar-winrate"]
DRAWS = 1000

SETTINGS = """name = "x"
trials = {trials}
seed = 20261128
[sampler]
name = "random"
[splits]
in_sample_days = {is_days}
out_of_sample_days = {oos_days}
warmup_bars = {warmup}
vault_days = {vault}
{objective}[guardrails]
min_trades = 0
max_liquidations = 1000000
[assumptions]
initial_cash_usdt = 100000.0
slippage_bps = 2.0
max_volume_share = 0.01
"""


def objectives():
    for figure in FIGURES:
        yield figure, f'[objective]\nfigure = "{figure}"\nstability_weight = 1.0\ndegradation_weight = 0.5\n'
    full = '[objective]\nfigure = "cagr-calmar-winrate"\nstability_weight = "full"\ndegradation_weight = 0.5\n'
    yield "cagr-calmar-winrate, full deviation", full


def run(lab, *args):
    done = subprocess.run([ASSAY, *args], cwd=lab, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(args)}: {done.stderr[-2000:]}")
    return done.stdout


def scores(lab, strategy, name, settings):
    file = lab.parent / "study.toml"
    file.write_text(settings)
    run(lab, "study", "run", str(strategy), str(file), "--name", name, "--jobs", "2")
    trials = json.loads(run(lab, "trials", name, "--json", "--limit", "100000"))["trials"]
    return {json.dumps(t["params"], sort_keys=True): t for t in trials}


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    out = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end < len(order) and values[order[end]] == values[order[at]]:
            end += 1
        for k in range(at, end):
            out[order[k]] = (at + end - 1) / 2
        at = end
    return out


def spearman(x, y):
    a, b = ranks(x), ranks(y)
    n, mean = len(a), (len(a) - 1) / 2
    cov = sum((p - mean) * (q - mean) for p, q in zip(a, b))
    va, vb = sum((p - mean) ** 2 for p in a), sum((q - mean) ** 2 for q in b)
    return cov / (va * vb) ** 0.5 if n > 1 and va * vb > 0 else 0.0


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def measured(lab, strategy):
    study = (ROOT / "configs/studies" / f"{strategy.stem}.toml").resolve()
    text = study.read_text() if study.exists() else (ROOT / "configs/studies/walkforward.toml").read_text()
    warmup = next(line.split("=")[1].strip() for line in text.splitlines() if line.startswith("warmup_bars"))
    common = {"trials": TRIALS, "warmup": warmup}
    year = SETTINGS.format(is_days=400, oos_days=365, vault=0, objective="", **common)
    seen = scores(lab, strategy, f"{strategy.stem}-year", year)
    truth = {p: t["metrics"]["sharpe"] for p, t in seen.items() if t.get("metrics", {}).get("sharpe") is not None}
    found = {}
    for name, objective in objectives():
        settings = SETTINGS.format(is_days=180, oos_days=90, vault=365, objective=objective, **common)
        slug = name.replace(", ", "-").replace(" ", "-")
        trials = scores(lab, strategy, f"{strategy.stem}-{slug}", settings)
        found[name] = {p: t["score"] for p, t in trials.items() if t["score"] is not None}
    points = sorted(p for p in truth if all(p in of for of in found.values()))
    y = [truth[p] for p in points]
    dice = random.Random(7)
    draws = [[dice.randrange(len(points)) for _ in points] for _ in range(DRAWS)] if points else []
    columns = {name: [of[p] for p in points] for name, of in found.items()}

    def drawn(x):
        return [spearman([x[i] for i in d], [y[i] for i in d]) for d in draws]

    boots = {name: drawn(x) for name, x in columns.items()}
    return len(points), {name: (spearman(x, y), boots[name]) for name, x in columns.items()}


def said(scores):
    out = {}
    for name, (found, boot) in scores.items():
        less = [a - b for a, b in zip(boot, scores["sharpe"][1])]
        out[name] = {
            "rank_correlation": round(found, 3),
            "interval": [round(percentile(boot, q), 3) for q in (0.025, 0.975)],
            "beyond_the_default": [round(percentile(less, q), 3) for q in (0.025, 0.975)],
        }
    return out


def mean(each):
    """Of all strategies, each as heavy as the others, which are drawn too: others could have been shipped."""
    names, n, dice = each[0].keys(), len(each), random.Random(11)
    found = {name: sum(scores[name][0] for scores in each) / n for name in names}
    drawn = [[dice.randrange(n) for _ in each] for _ in range(DRAWS)]
    boots = {name: [sum(each[k][name][1][d] for k in ks) / n for d, ks in enumerate(drawn)] for name in names}
    return {name: (found[name], boots[name]) for name in names}


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run(folder, "init", "lab", "--person", "ana")
        lab = folder / "lab"
        run(lab, "data", "import", DATA, "--from", "2022-03-01")
        all_ = sorted((ROOT / "configs/strategies").glob("*.toml"))
        each = {s.stem: measured(lab, s) for s in all_}
        out = {name: {"trials": n, "scores": said(scores)} for name, (n, scores) in each.items()}
        out["mean of all"] = {"scores": said(mean([scores for _, scores in each.values()]))}
        print(json.dumps(out, indent=1))


main()
