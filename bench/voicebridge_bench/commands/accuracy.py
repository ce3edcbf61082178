"""`voicebridge-bench accuracy`: word error rate on human recordings and synthesised commands."""

from voicebridge_bench.accuracy import command

__all__ = ["command"]
