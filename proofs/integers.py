"""Decides halmos's queries over the integers.

Bit-vector solvers multiply and divide bit by bit, which they can't finish for 256 bits. Here each word is an
integer that is congruent to it, between bounds known from where it comes from: sums and products stay plain
as long as the bounds show that nothing wraps, and a quotient is what its remainder says it is. What can't be
expressed becomes an unknown within its width, and what is no word is left out: both only admit more, so
"unsat" remains true. "sat" is said only of words that satisfy the query itself. What remains goes to Yices,
which answers over the words themselves.

Halmos runs it as ``integers.py QUERY.smt2``.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import z3

SECONDS = 20
QUOTIENTS = {z3.Z3_OP_BUDIV, z3.Z3_OP_BUDIV_I}
DIVISIONS = {*QUOTIENTS, z3.Z3_OP_BUREM, z3.Z3_OP_BUREM_I}
SIGNED_QUOTIENTS = {z3.Z3_OP_BSDIV, z3.Z3_OP_BSDIV_I}
YICES = "yices-smt2", "--smt2-model-format", "--bvconst-in-decimal"


class Word(NamedTuple):
    """An integer congruent to a word of ``width`` bits, between two bounds."""

    term: z3.ArithRef
    low: int
    high: int
    width: int


class UnsupportedError(Exception):
    """A formula that is not about words: it is left out."""


class Translation:
    """The formulas of a query, and the facts about the unknowns that they need."""

    def __init__(self) -> None:
        self.facts: list[z3.BoolRef] = []
        self.inputs: list[tuple[z3.BitVecRef, z3.ArithRef]] = []
        self._words: dict[int, Word] = {}
        self._formulas: dict[int, z3.BoolRef] = {}
        self._quotients: dict[tuple[int, int], tuple[z3.ArithRef, z3.ArithRef]] = {}
        self._xors: dict[frozenset[z3.BitVecRef], Word] = {}
        self._canonical: dict[tuple[int, int, int], Word] = {}
        self._factors: dict[int, tuple[tuple[Word, Word], ...]] = {}
        self._dividends: dict[int, tuple[Word, Word]] = {}
        self._kept: list[z3.AstRef] = []  # ids are those of living terms

    # ------------------------------------------------------------- formulas

    def formula(self, expression: z3.BoolRef) -> z3.BoolRef:
        key = expression.get_id()
        if key not in self._formulas:
            self._kept.append(expression)
            self._formulas[key] = self._formula(expression)
        return self._formulas[key]

    def _formula(self, e: z3.BoolRef) -> z3.BoolRef:
        kind, children = e.decl().kind(), e.children()
        connectives = {
            z3.Z3_OP_AND: z3.And,
            z3.Z3_OP_OR: z3.Or,
            z3.Z3_OP_NOT: z3.Not,
            z3.Z3_OP_IMPLIES: z3.Implies,
        }
        if kind in (z3.Z3_OP_TRUE, z3.Z3_OP_FALSE):
            return e
        if kind in connectives:
            return connectives[kind](*map(self.formula, children))
        if kind == z3.Z3_OP_ITE:
            return z3.If(*map(self.formula, children))
        if kind == z3.Z3_OP_EQ and z3.is_bool(children[0]):
            return self.formula(children[0]) == self.formula(children[1])
        if kind in (z3.Z3_OP_EQ, z3.Z3_OP_DISTINCT) and z3.is_bv(children[0]):
            one, other = (self.unsigned(self.word(child)).term for child in children)
            return one == other if kind == z3.Z3_OP_EQ else one != other
        orders: dict[int, tuple[Callable[[Word], Word], Callable[[Any, Any], z3.BoolRef]]] = {
            z3.Z3_OP_ULEQ: (self.unsigned, lambda a, b: a <= b),
            z3.Z3_OP_ULT: (self.unsigned, lambda a, b: a < b),
            z3.Z3_OP_UGEQ: (self.unsigned, lambda a, b: a >= b),
            z3.Z3_OP_UGT: (self.unsigned, lambda a, b: a > b),
            z3.Z3_OP_SLEQ: (self.signed, lambda a, b: a <= b),
            z3.Z3_OP_SLT: (self.signed, lambda a, b: a < b),
            z3.Z3_OP_SGEQ: (self.signed, lambda a, b: a >= b),
            z3.Z3_OP_SGT: (self.signed, lambda a, b: a > b),
        }
        if kind in orders:
            view, compare = orders[kind]
            return compare(*(view(self.word(child)).term for child in children))
        raise UnsupportedError(e.decl().name())

    # ---------------------------------------------------------------- words

    def word(self, expression: z3.BitVecRef) -> Word:
        key = expression.get_id()
        if key not in self._words:
            self._kept.append(expression)
            self._words[key] = self._word(expression)
        return self._words[key]

    def _word(self, e: z3.BitVecRef) -> Word:
        width, kind, children = e.size(), e.decl().kind(), e.children()
        name = e.decl().name()
        if z3.is_bv_value(e):
            return constant(e.as_signed_long(), width)
        if kind == z3.Z3_OP_ITE:
            test, one, other = self.formula(children[0]), self.word(children[1]), self.word(children[2])
            if one.low < 0 or other.low < 0:
                one, other = self.signed(one), self.signed(other)
            else:
                one, other = self.unsigned(one), self.unsigned(other)
            return choice(test, one, other)
        if kind == z3.Z3_OP_BADD:
            parts = [self.word(child) for child in children]
            total = parts[0]
            for part in parts[1:]:
                total = Word(total.term + part.term, total.low + part.low, total.high + part.high, width)
            return total
        if kind == z3.Z3_OP_BSUB:
            one, other = map(self.word, children)
            return Word(one.term - other.term, one.low - other.high, one.high - other.low, width)
        if kind == z3.Z3_OP_BNEG:
            one = self.word(children[0])
            return Word(-one.term, -one.high, -one.low, width)
        if is_product(e):
            product = self.word(children[0])
            for child in children[1:]:
                product = self.times(product, self.word(child))
            return product
        if kind in DIVISIONS or name.startswith(("f_evm_bvudiv", "f_evm_bvurem")):
            one, other = (self.unsigned(self.word(child)) for child in children)
            quotient, remainder = self.divide(one, other)
            if kind in QUOTIENTS:
                return self.unless_zero(other, quotient, constant(2**width - 1, width))
            if kind in DIVISIONS:
                return self.unless_zero(other, remainder, one)
            return quotient if name.startswith("f_evm_bvudiv") else remainder
        if kind in SIGNED_QUOTIENTS or name.startswith("f_evm_bvsdiv"):
            one, other = (self.signed(self.word(child)) for child in children)
            if (factor := self.cofactor(one, other)) and kind not in SIGNED_QUOTIENTS:
                return self.unless_zero(other, factor, constant(0, width))
            quotient, _ = self.divide(magnitude(one), magnitude(other))
            result = quotient
            if one.low < 0 or other.low < 0:
                negative = Word(-quotient.term, -quotient.high, 0, width)
                result = choice(z3.Xor(one.term < 0, other.term < 0), negative, quotient)
            if kind not in SIGNED_QUOTIENTS:
                return result
            by_zero = Word(z3.If(one.term < 0, z3.IntVal(1), z3.IntVal(-1)), -1, 1, width)
            return self.unless_zero(other, result, by_zero)
        if kind == z3.Z3_OP_BXOR:
            return self.xor(self.atoms(e), width)
        if is_sign_extension(e):
            return self.signed(self.word(children[-1]))._replace(width=width)
        if kind == z3.Z3_OP_CONCAT:
            result = self.unsigned(self.word(children[0]))
            for child in children[1:]:
                low = self.unsigned(self.word(child))
                shift = 2**low.width
                if result.high == 0:
                    result = low._replace(width=result.width + low.width)
                else:
                    result = Word(
                        result.term * shift + low.term,
                        result.low * shift + low.low,
                        result.high * shift + low.high,
                        result.width + low.width,
                    )
            return result
        if kind == z3.Z3_OP_ZERO_EXT:
            return self.unsigned(self.word(children[0]))._replace(width=width)
        if kind == z3.Z3_OP_EXTRACT:
            _, low = e.params()
            if is_low_part(e):  # congruent as it is
                return self.word(children[0])._replace(width=width)
            whole = self.unsigned(self.word(children[0]))
            return self.divide(whole, constant(2**low, whole.width + 1))[0]._replace(width=width)
        unknown = self.unknown(name, width)
        if not children:
            self.inputs.append((e, unknown.term))
        return unknown

    def xor(self, atoms: frozenset[z3.BitVecRef], width: int) -> Word:
        """``x ^ ((x ^ y) * bit)`` is how OpenZeppelin chooses between x and y; no other is understood."""
        if atoms not in self._xors:
            self._xors[atoms] = self._xor(atoms, width)
        return self._xors[atoms]

    def _xor(self, atoms: frozenset[z3.BitVecRef], width: int) -> Word:
        for atom in sorted(atoms, key=lambda atom: atom.get_id()):
            if selection := self.selection(atom):
                selected, bit = selection
                rest = atoms - {atom}
                return choice(
                    self.word(bit).term == 1, self.xor(rest ^ selected, width), self.xor(rest, width)
                )
        if len(atoms) == 1:
            return self.word(*atoms)
        return self.unknown("xor", width) if atoms else constant(0, width)

    def atoms(self, e: z3.BitVecRef) -> frozenset[z3.BitVecRef]:
        """What a word is the exclusive or of: what occurs twice is gone."""
        result: frozenset[z3.BitVecRef] = frozenset()
        if e.decl().kind() == z3.Z3_OP_BXOR:
            for child in e.children():
                result ^= self.atoms(child)
            return result
        return frozenset([e])

    def selection(self, e: z3.BitVecRef) -> tuple[frozenset[z3.BitVecRef], z3.BitVecRef] | None:
        """For ``x * bit``, or the low bits of it: what x is the exclusive or of, and the bit."""
        product, low = (e.arg(0), e.size()) if is_low_part(e) else (e, None)
        if not is_product(product):
            return None
        for factor, bit in itertools.permutations(product.children()):
            word = self.word(bit)
            if word.low >= 0 and word.high <= 1:
                atoms = self.atoms(factor)
                if low:
                    atoms = frozenset(z3.Extract(low - 1, 0, atom) for atom in atoms)
                return atoms, bit
        return None

    def times(self, one: Word, other: Word) -> Word:
        for divided, divisor in ((one, other), (other, one)):
            if divided.term.get_id() in self._dividends:
                dividend, by = self._dividends[divided.term.get_id()]
                if by.term.eq(divisor.term):  # at most what was divided
                    return Word(divided.term * divisor.term, 0, dividend.high, one.width)
        one, other = self.shortened(one), self.shortened(other)
        corners = [a * b for a in (one.low, one.high) for b in (other.low, other.high)]
        product = Word(one.term * other.term, min(corners), max(corners), one.width)
        self._kept.append(product.term)
        self._factors[product.term.get_id()] = (one, other), (other, one)
        return product

    def divide(self, one: Word, other: Word) -> tuple[Word, Word]:
        """Quotient and remainder of integers that are not negative; 0 where the divisor is, as in the EVM."""
        width, zero = one.width, constant(0, one.width)
        if (factor := self.cofactor(one, other)) and factor.low >= 0:
            return self.unless_zero(other, factor, zero), zero
        key = (one.term.get_id(), other.term.get_id())
        if key not in self._quotients:
            self._kept += [one.term, other.term]
            quotient, remainder = z3.FreshInt("quotient"), z3.FreshInt("remainder")
            self._quotients[key] = quotient, remainder
            self._dividends[quotient.get_id()] = one, other
            exact = z3.And(one.term == quotient * other.term + remainder, remainder < other.term)
            self.facts += [quotient >= 0, quotient <= one.term, remainder >= 0, remainder <= one.term]
            self.facts.append(z3.If(other.term == 0, z3.And(quotient == 0, remainder == 0), exact))
        quotient, remainder = self._quotients[key]
        most, rest = one.high // max(other.low, 1), min(one.high, max(other.high - 1, 0))
        return Word(quotient, 0, most, width), Word(remainder, 0, rest, width)

    def cofactor(self, product: Word, factor: Word) -> Word | None:
        """The other factor, where this product was made with that one."""
        for mine, its in self._factors.get(product.term.get_id(), ()):
            if mine.term.eq(factor.term):
                return its._replace(width=product.width)
        return None

    def unless_zero(self, divisor: Word, result: Word, otherwise: Word) -> Word:
        if divisor.low > 0:
            return result
        return choice(divisor.term == 0, otherwise, result)

    def unknown(self, name: str, width: int) -> Word:
        term = z3.FreshInt(name)
        self.facts += [term >= 0, term < 2**width]
        return Word(term, 0, 2**width - 1, width)

    # ---------------------------------------------------------------- views

    def unsigned(self, word: Word) -> Word:
        return self._within(word, 0, 2**word.width - 1)

    def shortened(self, word: Word) -> Word:
        """The word itself in place of an integer far outside its width."""
        return self.unsigned(word) if max(-word.low, word.high) >> (2 * word.width) else word

    def signed(self, word: Word) -> Word:
        half = 2 ** (word.width - 1)
        return self._within(word, -half, half - 1)

    def _within(self, word: Word, low: int, high: int) -> Word:
        """The congruent integer between two bounds that are a power of two apart."""
        if low <= word.low and word.high <= high:
            return word
        key = (word.term.get_id(), low, word.width)
        if key not in self._canonical:
            self._kept.append(word.term)
            size = 2**word.width
            turns, term = z3.FreshInt("turns"), z3.FreshInt("word")
            first, last = (word.low - low) // size, (word.high - low) // size
            self.facts += [term == word.term - turns * size, term >= low, term <= high]
            self.facts += [turns >= first, turns <= last]
            self._canonical[key] = Word(term, low, high, word.width)
        return self._canonical[key]


def is_product(e: z3.BitVecRef) -> bool:
    return bool(e.decl().kind() == z3.Z3_OP_BMUL or e.decl().name().startswith("f_evm_bvmul"))


def is_sign_extension(e: z3.BitVecRef) -> bool:
    """z3 writes it as copies of the highest bit ahead of the word."""
    if e.decl().kind() == z3.Z3_OP_SIGN_EXT:
        return True
    *bits, last = e.children() or [None]
    if e.decl().kind() != z3.Z3_OP_CONCAT or last.decl().kind() != z3.Z3_OP_EXTRACT:
        return False
    sign = z3.Extract(last.params()[0], last.params()[0], last.arg(0))
    return all(bit.eq(sign) for bit in bits)


def is_low_part(e: z3.BitVecRef) -> bool:
    return bool(e.decl().kind() == z3.Z3_OP_EXTRACT and e.params()[1] == 0)


def choice(test: z3.BoolRef, one: Word, other: Word) -> Word:
    term = z3.If(test, one.term, other.term)
    return Word(term, min(one.low, other.low), max(one.high, other.high), one.width)


def constant(value: int, width: int) -> Word:
    return Word(z3.IntVal(value), value, value, width)


def magnitude(word: Word) -> Word:
    """The absolute value of a word seen with its sign."""
    if word.low >= 0:
        return word
    term = z3.If(word.term < 0, -word.term, word.term)
    return Word(term, 0, max(-word.low, word.high), word.width)


def solve(query: Path, seconds: float = SECONDS) -> tuple[z3.CheckSatResult, Mapping[str, z3.BitVecNumRef]]:
    """Whether words can satisfy the query, and if so, such words; "unknown" where the integers don't tell."""
    translation = Translation()
    assertions = z3.parse_smt2_file(str(query))
    solver, replay = z3.Solver(), z3.Solver()
    for either in (solver, replay):
        either.set("timeout", int(seconds * 1000))
    for assertion in assertions:
        try:
            solver.add(translation.formula(assertion))
        except UnsupportedError:
            continue
    solver.add(translation.facts)
    answer = solver.check()
    if answer != z3.sat:
        return answer, {}
    model = solver.model()
    words = [
        (word, z3.BitVecVal(model.eval(term, model_completion=True).as_long(), word.size()))
        for word, term in translation.inputs
    ]
    replay.add([z3.substitute(assertion, words) for assertion in assertions])
    if replay.check() != z3.sat:
        return z3.unknown, {}
    return z3.sat, {word.decl().name(): value for word, value in words}


def main() -> None:
    query = Path(sys.argv[-1])
    answer, words = solve(query)
    abstract = "declare-fun f_evm_" in query.read_text()  # its products and quotients may be anything
    if answer == z3.unsat:
        sys.stdout.write("unsat\n")
    elif answer == z3.sat and not abstract:
        values = (
            f"(define-fun {name} () {value.sort().sexpr()} {value.sexpr()})" for name, value in words.items()
        )
        sys.stdout.write("sat\n(\n" + "\n".join(values) + "\n)\n")
    else:
        os.execv(Path(sys.executable).with_name(YICES[0]), [*YICES, str(query)])


if __name__ == "__main__":
    main()
