"""Problems with a known best value, in virtual time: what searches are measured on."""

from benchmarks.problems.catalogue import problem
from benchmarks.problems.problem import METRIC, Course, Problem

__all__ = ["METRIC", "Course", "Problem", "problem"]
