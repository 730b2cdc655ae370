"""Numbers and patterns as people read them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = (
    "charge",
    "duration",
    "energy",
    "listing",
    "lowered",
    "numbered",
    "pattern_in_words",
    "pattern_label",
    "share",
)

_FEW_SITES = 6


def pattern_label(states: Sequence[int]) -> str:
    """Return a pattern as ``(2,3)``; long ones are cut in the middle."""
    texts = [str(state) for state in states]
    if len(texts) > 2 * _FEW_SITES:
        texts = [*texts[:_FEW_SITES], "…", *texts[-_FEW_SITES:]]
    return f"({','.join(texts)})"


def pattern_in_words(states: Sequence[int], site_labels: Sequence[str]) -> str:
    """Return which site is in which state: ``Mn1 is 2+, Mn2 is 3+``; many sites are grouped by state."""
    if len(states) <= _FEW_SITES:
        return ", ".join(f"{site} is {charge(state)}" for site, state in zip(site_labels, states, strict=True))
    groups = []
    for state in sorted(set(states)):
        sites = [site for site, own in zip(site_labels, states, strict=True) if own == state]
        groups.append(f"{listing(sites)} {'is' if len(sites) == 1 else 'are'} {charge(state)}")
    return "; ".join(groups)


def listing(items: Sequence[str]) -> str:
    """Join as in a sentence: ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def lowered(sentence: str) -> str:
    """Return a sentence as it goes on after a comma or colon."""
    return f"{sentence[:1].lower()}{sentence[1:]}"


def energy(value_ev: float) -> str:
    """Return a difference of energies with the unit that keeps it readable: meV below 1 eV."""
    if abs(value_ev) >= 1:
        return f"{value_ev:.2f} eV"
    value_mev = 1000 * value_ev
    return f"{value_mev:.2g} meV" if abs(value_mev) < 10 else f"{value_mev:.0f} meV"


def duration(seconds: float) -> str:
    """Return a time as people say it: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def share(value: float) -> str:
    """Return a probability or share in per cent, with digits where it is close to one: ``99.97 %``."""
    percent = 100 * value
    if percent >= 99.995:
        return "> 99.99 %"
    return f"{percent:.2f} %" if percent > 99 else f"{percent:.0f} %"


def charge(state: int) -> str:
    """Return an oxidation state as chemists write it: ``2+``, ``1−``, ``0``."""
    return "0" if state == 0 else f"{abs(state)}{'+' if state > 0 else '−'}"


def numbered(symbols: Sequence[str]) -> list[str]:
    """Number sites within their element: ``Mn1``, ``Mn2``, ``Fe1``."""
    counts: dict[str, int] = {}
    labels = []
    for symbol in symbols:
        counts[symbol] = counts.get(symbol, 0) + 1
        labels.append(f"{symbol}{counts[symbol]}")
    return labels
