"""The official measures, one module each: pure functions from gold and predictions to percent.

They follow the reference programs to the last digit, which makes the order of the floating-point operations part of
their contract: a score is the quotient first and times 100 after it where the reference does so, and sums run in the
order of the file.
"""
