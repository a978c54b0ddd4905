"""Optuna's TPE and NSGA-II, and cmaes, on the functions that our samplers are measured on: regrets after 200 trials, or
areas under the front, seed by seed.

Writes tests/peers/samplers.json, which src/shared/search/tests.rs compares with. Run it again for a newer Optuna:

    pip install optuna cmaes
    python tests/peers/samplers.py 50 > tests/peers/samplers.json
"""

import json
import math
import sys
import warnings

import cmaes
import numpy
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")

TRIALS = 200


def branin(p):
    x, y = p["x"], p["y"]
    a = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.39788735772973816


A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]
WEIGHTS = [1.0, 1.2, 3.0, 3.2]


def hartmann(p):
    x = [p[f"x{i}"] for i in range(6)]
    e = [sum(A[k][i] * (x[i] - P[k][i]) ** 2 for i in range(6)) for k in range(4)]
    return 3.322368011391339 - sum(WEIGHTS[k] * math.exp(-e[k]) for k in range(4))


def rastrigin(p):
    x = [p[f"x{i}"] for i in range(5)]
    return 50 + sum(v * v - 10 * math.cos(2 * math.pi * v) for v in x)


COST = {"a": 0.9, "b": 0.4, "c": 1.3, "d": 0.0, "e": 0.7, "f": 1.1, "g": 0.3, "h": 1.6}
SHIFT = {"a": -4, "b": 3, "c": 0, "d": 1, "e": -2, "f": 4, "g": -1, "h": 2}


def mixed(p):
    return (
        ((p["x"] - 1.3) ** 2 + (p["y"] + 2) ** 2) / 10
        + (math.log10(p["rate"]) + 2.5) ** 2 / 2
        + (p["step"] - 0.7) ** 2
        + ((p["n"] - 57) / 50) ** 2
        + (math.log(p["m"]) - math.log(40)) ** 2 / 4
        + COST[p["kind"]]
        + (p["z"] - SHIFT[p["kind"]]) ** 2 / 5
    )


FUNCTIONS = {
    "branin": (branin, {"x": FloatDistribution(-5, 10), "y": FloatDistribution(0, 15)}),
    "hartmann": (hartmann, {f"x{i}": FloatDistribution(0, 1) for i in range(6)}),
    "rastrigin": (rastrigin, {f"x{i}": FloatDistribution(-5.12, 5.12) for i in range(5)}),
    "mixed": (
        mixed,
        {
            "x": FloatDistribution(-5, 5),
            "y": FloatDistribution(-5, 5),
            "z": FloatDistribution(-5, 5),
            "rate": FloatDistribution(1e-5, 1, log=True),
            "step": FloatDistribution(0, 2, step=0.1),
            "n": IntDistribution(1, 200),
            "m": IntDistribution(1, 1024, log=True),
            "kind": CategoricalDistribution(list("abcdefgh")),
        },
    ),
}


def run(name, multivariate, batch, seed):
    function, space = FUNCTIONS[name]
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=multivariate, constant_liar=batch > 1)
    study = optuna.create_study(sampler=sampler)
    for _ in range(TRIALS // batch):
        asked = [study.ask(space) for _ in range(batch)]
        for trial in asked:
            study.tell(trial, function(trial.params))
    return study.best_value


def zdt1(p):
    x = [p[f"x{i}"] for i in range(6)]
    g = 1 + 9 * sum(x[1:]) / 5
    return x[0], g * (1 - math.sqrt(x[0] / g))


def pieces(p):
    cost = abs(mixed(p))
    return cost, (p["x"] + 2) ** 2 / 10 + abs(p["n"] - 150) / 100 + (0 if p["kind"] == "h" else 0.4)


FRONTS = {
    "zdt1": (zdt1, {f"x{i}": FloatDistribution(0, 1) for i in range(6)}, (4.0, 4.0)),
    "pieces": (pieces, FUNCTIONS["mixed"][1], (8.0, 4.0)),
}


def area(points, reference):
    """What lies between the front of points and a reference, both minimised."""
    total, floor = 0.0, reference[1]
    for x, y in sorted(points):
        if x < reference[0] and y < floor:
            total += (reference[0] - x) * (floor - y)
            floor = y
    return total


def front(name, seed):
    function, space, reference = FRONTS[name]
    sampler = optuna.samplers.NSGAIISampler(seed=seed)
    study = optuna.create_study(sampler=sampler, directions=["minimize", "minimize"])
    points = []
    for _ in range(TRIALS):
        trial = study.ask(space)
        points.append(function(trial.params))
        study.tell(trial, points[-1])
    return area(points, reference)


def evolution(name, seed):
    """cmaes itself over the unit cube, from its middle, with the first step that ours has."""
    function, space = FUNCTIONS[name]
    names, n = list(space), len(space)
    search = cmaes.CMA(mean=numpy.full(n, 0.5), sigma=1 / 6, bounds=numpy.array([[0, 1]] * n), seed=seed)
    best, left = math.inf, TRIALS
    while left > 0:
        told = []
        for _ in range(min(search.population_size, left)):
            x = search.ask()
            p = {k: space[k].low + (space[k].high - space[k].low) * v for k, v in zip(names, x)}
            told.append((x, function(p)))
        left -= len(told)
        best = min(best, min(v for _, v in told))
        if len(told) == search.population_size:
            search.tell(told)
    return best


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    out = {"optuna": optuna.__version__, "cmaes": cmaes.__version__, "trials": TRIALS, "regrets": {}}
    short = lambda values: [float(f"{v:.6g}") for v in values]
    out["cmaes_regrets"] = {n: short(evolution(n, s) for s in range(seeds)) for n in ("branin", "hartmann", "rastrigin")}
    out["areas"] = {name: short(front(name, seed) for seed in range(seeds)) for name in FRONTS}
    for name in FUNCTIONS:
        for batch in (1, 8):
            for multivariate in (True, False):
                key = f"{name} {'multivariate' if multivariate else 'univariate'} {batch}"
                out["regrets"][key] = [float(f"{run(name, multivariate, batch, seed):.6g}") for seed in range(seeds)]
                print(key, sorted(out["regrets"][key])[seeds // 2], file=sys.stderr)
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
