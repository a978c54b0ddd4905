#!/usr/bin/env python3
"""Asks again for every trial of a study, from `assay guide formulas` alone: nothing here knows the program.

usage: sampler.py STRATEGY.toml TRIALS.json SEED BATCH SAMPLER

Prints how many trials were asked for again and agree; ends with 1 at the first that does not. Whole numbers, choices and
truth values must be the same, others to 1e-6 of their range: the normal distribution here is Python's.
"""

import json
import math
import sys
import tomllib
from statistics import NormalDist

MASK = (1 << 64) - 1
NORMAL = NormalDist()
ATTEMPTS, LEARNT, GOOD, REST, PRIOR = 256, 16, 25, 250, 0.5
STARTUP, CANDIDATES = 10, 24


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Rng:
    def __init__(self, seed, number, attempt):
        key = mix(seed ^ 0x6173736179000001)
        self.state = mix((mix((key + number) & MASK) + (attempt << 32)) & MASK)

    def bits(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        return mix(self.state)

    def uniform(self):
        return (self.bits() >> 11) / (1 << 53)

    def below(self, n):
        return (self.bits() * n) >> 64


def away(x):
    """To the nearest whole number, halves away from zero."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


class Range:
    def __init__(self, spec):
        self.spec, self.kind, self.log = spec, spec["type"], spec.get("log", False)
        self.choices = {"choice": spec.get("choices"), "text": spec.get("choices"), "bool": [False, True]}.get(self.kind)
        self.default = spec["default"]
        step = spec.get("step")
        if self.choices is not None:
            self.bounds, self.levels = (0.0, float(len(self.choices))), len(self.choices)
            return
        low, high = spec["low"], spec["high"]
        self.low, self.high = low, high
        if self.kind == "int":
            self.step = step or 1
            self.last = (high - low) // self.step
            self.levels = self.last + 1
            if self.log:
                self.bounds = (math.log(low - 0.5), math.log(high + 0.5))
            else:
                self.bounds = (low - self.step / 2, low + self.last * self.step + self.step / 2)
        else:
            self.step, self.levels = step, None
            if self.log:
                self.bounds = (math.log(low), math.log(high))
            elif step:
                self.last = math.floor((high - low) / step + 1e-9)
                self.levels = self.last + 1
                self.bounds = (low - step / 2, low + self.last * step + step / 2)
            else:
                self.bounds = (low, high)

    def value(self, x):
        if self.choices is not None:
            return self.choices[min(int(x), len(self.choices) - 1)]
        if self.kind == "int":
            if self.log:
                return min(max(away(math.exp(x)), self.low), self.high)
            return self.low + min(max(away((x - self.low) / self.step), 0), self.last) * self.step
        if self.log:
            return min(max(math.exp(x), self.low), self.high)
        if self.step:
            return min(self.low + min(max(away((x - self.low) / self.step), 0), self.last) * self.step, self.high)
        return min(max(x, self.low), self.high)

    def place(self, value):
        if self.choices is not None:
            return float(self.choices.index(value))
        return math.log(value) if self.log else float(value)


class Space:
    def __init__(self, strategy):
        self.names = sorted(strategy["parameters"])
        self.ranges = [Range(strategy["parameters"][n]) for n in self.names]
        self.when = {n: strategy["parameters"][n]["when"] for n in self.names if "when" in strategy["parameters"][n]}
        self.constraints = strategy.get("constraints", [])
        self.countable = all(r.levels is not None for r in self.ranges)

    def settle(self, params):
        """Defaults for what does not count; gives the places, none for those."""
        silent = {n for n, text in self.when.items() if not eval(text, {}, dict(params))}
        for n in silent:
            params[n] = self.ranges[self.names.index(n)].default
        return [None if n in silent else r.place(params[n]) for n, r in zip(self.names, self.ranges)]

    def allows(self, params):
        return all(eval(text, {}, dict(params)) for text in self.constraints)


class Numeric:
    def __init__(self, places, low, high):
        n, width = len(places), high - low
        known = sorted((p, k) for k, p in enumerate(places) if p is not None)
        self.low, self.high, self.sigmas = low, high, [width] * (n + 1)
        least = width / min(2.0 + n, 100.0)
        for rank, (place, k) in enumerate(known):
            sides = []
            if rank > 0:
                sides.append(place - known[rank - 1][0])
            if rank + 1 < len(known):
                sides.append(known[rank + 1][0] - place)
            far = max(sides) if sides else max(place - low, high - place)
            self.sigmas[k] = min(max(far, least), width)
        self.mus = [(low + high) / 2 if p is None else p for p in places] + [(low + high) / 2]
        self.below = [NORMAL.cdf((low - m) / s) for m, s in zip(self.mus, self.sigmas)]
        self.mass = [max(NORMAL.cdf((high - m) / s) - b, 1e-12) for m, s, b in zip(self.mus, self.sigmas, self.below)]

    def draw(self, kernel, rng):
        p = self.below[kernel] + rng.uniform() * self.mass[kernel]
        z = NORMAL.inv_cdf(min(max(p, 1e-300), 1 - 1e-16))
        return min(max(self.mus[kernel] + self.sigmas[kernel] * z, self.low), self.high)

    def density(self, x):
        if x is None:
            return [0.0] * len(self.mus)
        pairs = zip(self.mus, self.sigmas, self.mass)
        return [-0.5 * ((x - m) / s) ** 2 - math.log(s * q) for m, s, q in pairs]


class Choice:
    def __init__(self, places, choices):
        self.choices, self.at = choices, [None if p is None else int(p) for p in places]
        floor = PRIOR / (len(places) + 1)
        total = 1 + floor * choices
        self.hit, self.miss = (1 + floor) / total, floor / total

    def draw(self, kernel, rng):
        if kernel >= len(self.at) or self.at[kernel] is None:
            return float(rng.below(self.choices))
        x = rng.uniform()
        if x < self.hit - self.miss:
            return float(self.at[kernel])
        return float(min(int((x - (self.hit - self.miss)) / self.miss), self.choices - 1))

    def density(self, x):
        if x is None:
            return [0.0] * (len(self.at) + 1)
        even = -math.log(self.choices)
        own = [even if a is None else math.log(self.hit if a == int(x) else self.miss) for a in self.at]
        return own + [even]


class Mixture:
    def __init__(self, ranges, columns):
        self.n = len(columns[0])
        make = lambda r, c: Choice(c, len(r.choices)) if r.choices is not None else Numeric(c, *r.bounds)
        self.dimensions = [make(r, c) for r, c in zip(ranges, columns)]

    def draw(self, rng):
        kernel = min(int(rng.uniform() * (self.n + PRIOR)), self.n)
        return [d.draw(kernel, rng) for d in self.dimensions]

    def log_density(self, point):
        total = self.n + PRIOR
        out = [math.log(1 / total)] * self.n + [math.log(PRIOR / total)]
        for d, x in zip(self.dimensions, point):
            out = [a + b for a, b in zip(out, d.density(x))]
        top = max(out)
        return top + math.log(sum(math.exp(v - top) for v in out))


def model(space, told, pending, joint):
    scored = [i for i, t in enumerate(told) if t["rank"] is not None]
    good = sorted(scored, key=lambda i: (told[i]["rank"], i))[:GOOD]
    good = sorted(good[: math.ceil(0.12 * len(told))])
    if not good:
        return None
    rest = [i for i in range(len(told)) if i not in good][-REST:]
    dims = range(len(space.ranges))
    groups = [list(dims)] if joint else [[d] for d in dims]

    def mixture(group, of, more):
        columns = [[told[i]["places"][d] for i in of] + [p[d] for p in more] for d in group]
        if len(columns) == 1:
            columns[0] = [p for p in columns[0] if p is not None]
        return Mixture([space.ranges[d] for d in group], columns)

    return groups, [(mixture(g, good, []), mixture(g, rest, pending)) for g in groups]


def suggest(space, made, rng):
    groups, mixtures = made
    point, whole = [None] * len(space.ranges), len(groups) == 1
    for group, (good, rest) in zip(groups, mixtures):
        best, kept = None, 0
        for _ in range(CANDIDATES * (8 if whole else 1)):
            candidate = good.draw(rng)
            if whole:
                params = {n: r.value(x) for n, r, x in zip(space.names, space.ranges, candidate)}
                places = space.settle(params)
                candidate = [None if p is None else x for p, x in zip(places, candidate)]
                if not space.allows(params):
                    continue
            kept += 1
            gain = good.log_density(candidate) - rest.log_density(candidate)
            if best is None or gain > best[0]:
                best = (gain, candidate)
            if kept == CANDIDATES:
                break
        candidate = best[1] if best else good.draw(rng)
        for d, x in zip(group, candidate):
            point[d] = x
    return point


def ask(space, seed, sampler, number, told, pending):
    made = None
    if sampler == "tpe" and number >= STARTUP:
        made = model(space, told, pending, number % 3 != 0)
    seen = [t["places"] for t in told] if space.countable else []
    first = None
    for attempt in range(ATTEMPTS):
        rng = Rng(seed, number, attempt)
        if made and attempt < LEARNT:
            point = suggest(space, made, rng)
            params = {n: r.default if x is None else r.value(x) for n, r, x in zip(space.names, space.ranges, point)}
        else:
            share = lambda r: r.bounds[0] + (r.bounds[1] - r.bounds[0]) * rng.uniform()
            params = {n: r.value(share(r)) for n, r in zip(space.names, space.ranges)}
        places = space.settle(params)
        if space.allows(params):
            if places not in seen and places not in pending:
                return params
            first = first or params
    return first or params


def same(space, asked, found):
    for n, r in zip(space.names, space.ranges):
        a, b = asked[n], found[n]
        if r.choices is None and r.kind != "int":
            if abs(r.place(a) - r.place(b)) > 1e-6 * (r.bounds[1] - r.bounds[0]):
                return False
        elif a != b:
            return False
    return True


def main():
    path, listing, seed, batch, sampler = sys.argv[1:6]
    seed, batch = int(seed), int(batch)
    space = Space(tomllib.load(open(path, "rb")))
    trials = sorted(json.load(open(listing)), key=lambda t: t["number"])
    told, pending = [], []
    for t in trials:
        if t["number"] % batch == 0:
            told, pending = told + pending, []
        asked = ask(space, seed, sampler, t["number"], told, [p["places"] for p in pending])
        if not same(space, asked, t["params"]):
            print(f"trial {t['number']}: asked for {asked}, recorded {t['params']}")
            sys.exit(1)
        score, violation = t["score"], t["violation"] or 0.0
        rank = None if score is None else ((0, -score) if violation <= 0 else (1, violation))
        pending.append({"places": space.settle(dict(t["params"])), "rank": rank})
    print(f"{len(trials)} trials agree")


main()
