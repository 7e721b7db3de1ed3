"""Claims that are quickly shown, or fail in every way there is."""

import os

from sympy import Rational

from implicitbias.ledger import Claim, Correction, Verdict, counterexample, proof, search


def one_is_one(check):
    check(True, "one is one")
    return "holds [for sure] & <plainly>"


def one_is_two(check):
    check(False, "one is two")
    return "never reached"


def nothing(check):
    return "checked nothing"


def long(check):
    check(True, "at last")
    return "took long"


def broken(check):
    return check.no_such_thing


def death(check):
    os._exit(3)


def squares(tries):
    for rng in tries.draws(50, 5):
        x = rng.uniform(-1, 1)
        tries.at_most(x * x, 1.0, f"x = {x}")
    return tries.conclude("squares of numbers in [-1, 1]")


def half(refute):
    refute.exceeds(Rational(1, 2), Rational(1, 3), "a half")
    return "at one half"


def claim(name, *evidence, verdict=Verdict.PROVED, **more):
    return Claim(name, "A paper, eq. (1)", f"The statement {name}.", r"x^2 \le 1", verdict, evidence, **more)


GOOD = claim("woodworth.good", proof(one_is_one))
SLOW = claim("woodworth.slow", proof(long, slow=True), proof(one_is_one))
BAD = claim("woodworth.bad", proof(one_is_two))
EMPTY = claim("smith.empty", proof(nothing))
BROKEN = claim("smith.broken", proof(broken))
DEAD = claim("smith.dead", proof(death))
TESTED = claim("moroshko.tested", search(squares), verdict=Verdict.TESTED, remark="A remark.")
FALSE = claim(
    "moroshko.false",
    counterexample(half),
    verdict=Verdict.FALSE,
    correction=Correction("The true one.", "x = 1", Verdict.PROVED, (proof(one_is_one),)),
)
ALL = {c.id: c for c in (GOOD, SLOW, BAD, EMPTY, BROKEN, TESTED, FALSE)}
FINE = {c.id: c for c in (GOOD, TESTED, FALSE)}
