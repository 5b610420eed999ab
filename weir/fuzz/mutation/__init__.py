"""Mutation testing: is the fuzzer awake? Small faults are put into the contracts, and it must find each.

`operators` makes the mutants, `compiling` compiles them, `campaign` runs the fuzzer against them, `results`
keeps and shows what came out. ``python -m weir.fuzz.mutation`` is the command.
"""
