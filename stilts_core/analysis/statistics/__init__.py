"""Statistics on runs, examples and languages: intervals, tests, corrections. No input or output, no global state.

Every function gives the same result for the same input, whatever the order of languages, runs or examples in it; where
random numbers are drawn, a seed is an argument.
"""
