"""Attempts with more GPUs than any node has: a placement group over several nodes, the attempt in its first bundle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuner.resources import Node, Resources

__all__ = ["parts_of_gang"]


def parts_of_gang(grant: Resources, nodes: Sequence[Node]) -> tuple[Resources, ...]:
    """Divide a grant into parts that nodes can hold; one part where a node has that many GPUs, or none has any.

    As few parts as the node with the most GPUs allows, their GPUs as equal as whole numbers can be, the largest first. CPUs and
    memory are divided in proportion.
    """
    most = int(max((node.resources.gpu for node in nodes), default=0.0))
    if most < 1 or grant.gpu <= most or grant.gpu != int(grant.gpu):
        return (grant,)
    n = math.ceil(grant.gpu / most)
    least, larger = divmod(int(grant.gpu), n)
    gpus = [least + 1] * larger + [least] * (n - larger)
    return tuple(Resources(grant.cpu * gpu / grant.gpu, float(gpu), grant.memory_mib * gpu / grant.gpu) for gpu in gpus)
