"""The judges of a soak: one module for each group, pure, each ``judge(case)`` giving its verdicts."""
