"""One JSON Schema against another: can code that reads documents of the old one read those of the new one?

Rules follow properties, items, alternatives and references to the place of a change. What is allowed at one
place is left to ``jsonschema_rs``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from promptsync.prompt.canonical import encode
from promptsync.prompt.models import words
from promptsync.prompt.outputs import JsonSchema
from promptsync.prompt.prompt import plain, readable
from promptsync.prompt.texts import as_mapping

Verdict = Literal["breaking", "compatible", "unknown"]

_MOST_COMPARISONS: Final = 10_000
_LONGEST_SCHEMA: Final = 500_000
_LONGEST_CHAIN: Final = 100
_MOST_SHOWN: Final = 60
_LONGEST_ENUM: Final = 500
"""``jsonschema_rs`` needs quadratic time for an enum, and gets none that is longer."""

_ANNOTATIONS: Final = words(
    "title description default example examples deprecated readOnly writeOnly propertyOrdering discriminator "
    "$comment $schema $id $defs definitions"
)
_FOLLOWED: Final = words("properties required additionalProperties items prefixItems")
_WHOLE: Final = words("allOf patternProperties unevaluatedProperties unevaluatedItems additionalItems")
"""Keywords that mean something only together with those that are followed otherwise."""
_JUDGED: Final = words(
    "type enum const minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength "
    "pattern format minItems maxItems uniqueItems minProperties maxProperties"
)
"""Keywords that ``jsonschema_rs`` judges. For others it can take long, or it ignores them."""


class ContractChange(Struct, frozen=True):
    """A change that an application can notice; ``where`` and ``what`` form a sentence.

    ``unknown`` means that the prompts do not say whether it breaks the application.
    """

    what: str
    where: str
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.where} {self.what}"


def schema_changes(
    old: JsonSchema, new: JsonSchema, where: str, *, is_closed: bool = False
) -> list[ContractChange]:
    """Return how the documents of a new schema differ from those of an old one.

    A new property breaks only a closed schema, such as the arguments of a function: other readers ignore what
    they do not know. ``oneOf`` is read as ``anyOf``.
    """
    try:
        old, new = plain(old), plain(new)
        texts = encode(old), encode(new)
        if texts[0] == texts[1]:
            return []
        if max(map(len, texts)) > _LONGEST_SCHEMA:
            raise RecursionError
        return _Comparison(old, new, is_closed).changes(old, new, where)
    except RecursionError:
        what = "changed, and is too large or too deep to compare"
    except (AttributeError, KeyError, TypeError, ValueError):
        what = "changed, and is not a valid JSON Schema"
    return [ContractChange(what, where, "unknown")]


class _Comparison:
    def __init__(self, old: JsonSchema, new: JsonSchema, is_closed: bool) -> None:
        self.roots, self.left = (old, new), _MOST_COMPARISONS
        self.if_more: Verdict = "breaking" if is_closed else "compatible"
        self.comparing: set[tuple[int, int]] = set()

    def changes(self, old: JsonSchema, new: JsonSchema, where: str) -> list[ContractChange]:
        """Return the changes at and below one place. A pair that contains itself is compared once."""
        self.left -= 1
        if self.left < 0:
            raise RecursionError
        pair = id(old), id(new)
        if pair in self.comparing:
            return []
        self.comparing.add(pair)
        try:
            return [*self._changes(_normal(old, self.roots[0]), _normal(new, self.roots[1]), where)]
        finally:
            self.comparing.discard(pair)

    def _changes(self, old: dict[str, Any], new: dict[str, Any], where: str) -> Iterator[ContractChange]:
        before, after = old.pop("anyOf", None), new.pop("anyOf", None)
        if before:
            kinds = new["type"] if isinstance(new.get("type"), list) else []
            split = [{**new, "type": kind} for kind in kinds] or [new]
            yield from self._alternatives(before, after or split, where)
        elif after:
            whole = [{**new, **part} if new.keys().isdisjoint(part) else part for part in after]
            yield from self._alternatives([old], whole, where)
            return
        if not old:
            return
        if len(old.get("allOf", ())) == len(new.get("allOf", ())):
            for part, part_now in zip(old.pop("allOf", ()), new.pop("allOf", ()), strict=True):
                yield from self.changes(part, part_now, where)
        followed = words("") if _WHOLE & (old.keys() | new.keys()) else _FOLLOWED
        here = [{key: side[key] for key in side if key not in followed} for side in (old, new)]
        changes = [*_changes_here(here[0], here[1], where)]
        yield from changes
        if followed and (old.get("type") == new.get("type") or not _breaks(changes)):
            yield from self._properties(old, new, where)
            yield from self._items(old, new, where)

    def _properties(
        self, old: Mapping[str, Any], new: Mapping[str, Any], where: str
    ) -> Iterator[ContractChange]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needed_now = dict.fromkeys(old.get("required", ())), dict.fromkeys(new.get("required", ()))
        others, others_now = old.get("additionalProperties", True), new.get("additionalProperties", True)
        for name in {**before, **after, **needed, **needed_now}:
            place = f"{where}{'.' if where else ''}{readable((name,))}"
            if name in before and name not in after:
                yield ContractChange("is gone", place, "breaking")
                continue
            if name in needed and name not in needed_now:
                yield ContractChange("is no longer required", place, "breaking")
            if name in after and name not in before:
                yield ContractChange("is new", place, self.if_more)
            elif name in needed_now and name not in needed:
                yield ContractChange("is always there now", place, "compatible")
            if name in after:
                # A dictionary says what each of its values is.
                schema = before.get(name, others if isinstance(others, Mapping) else {})
                yield from self.changes(schema, after[name], place)
        if isinstance(others, Mapping) and others_now is not False:
            yield from self.changes(others, others_now, f"{where}.*")
        elif others is False and others_now is not False:
            yield ContractChange("can have other properties now", where, self.if_more)

    def _items(self, old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[ContractChange]:
        first, first_now = old.get("prefixItems", []), new.get("prefixItems", [])
        items, items_now = old.get("items", True), new.get("items", True)
        for at in range(max(len(first), len(first_now))):
            schema, schema_now = (*first[at : at + 1], items)[0], (*first_now[at : at + 1], items_now)[0]
            yield from self.changes(schema, schema_now, f"{where}[{at}]")
        if items is not True:
            yield from self.changes(items, items_now, f"{where}[]")

    def _alternatives(
        self, old: Sequence[JsonSchema], new: Sequence[JsonSchema], where: str
    ) -> Iterator[ContractChange]:
        for schema in new:
            compared: list[list[ContractChange]] = []
            for other in old:
                compared.append(self.changes(other, schema, where))
                if not _breaks(compared[-1]):
                    yield from (change for change in compared[-1] if change.where != where)
                    break
            else:
                # Changes below this place belong to the same alternative; otherwise it is another one.
                below = [changes for changes in compared if where not in {change.where for change in changes}]
                is_known = all(
                    any(change.verdict == "breaking" for change in changes) for changes in compared
                )
                what = f"can be {_shown('type', _normal(schema, self.roots[1]))} now"
                another = ContractChange(what, where, "breaking" if is_known else "unknown")
                yield from min(below, key=len, default=[another])


def _breaks(changes: Sequence[ContractChange]) -> bool:
    return any(change.verdict != "compatible" for change in changes)


def _changes_here(old: dict[str, Any], new: dict[str, Any], where: str) -> Iterator[ContractChange]:
    """Compare what is allowed at one place, without what is below it."""
    texts, texts_now = ({key: encode(side[key]) for key in side} for side in (old, new))
    # A reference in them can have another target.
    keys = [key for key in {**old, **new} if texts.get(key) != texts_now.get(key) or '"$ref"' in texts[key]]
    values, values_now = ([*map(encode, _enum(side))] for side in (old, new))
    known = {*values}
    more = [value for value in values_now if value not in known]
    if known and more:
        yield ContractChange(f"can be {' or '.join(more)[:_MOST_SHOWN]} now", where, "breaking")
    elif old and keys:
        what = "; ".join(f"{key} was {_shown(key, old)}, is {_shown(key, new)}" for key in keys)
        sides = [{key: side[key] for key in side if key in _JUDGED} for side in (old, new)]
        is_judged = _JUDGED.issuperset(keys) and max(len(values), len(values_now)) <= _LONGEST_ENUM
        yield ContractChange(what, where, _verdict(*sides) if is_judged else "unknown")


def _verdict(old: dict[str, Any], new: dict[str, Any]) -> Verdict:
    """Return whether an old schema allows everything that a new one allows."""
    import jsonschema_rs as rs

    try:
        wide, narrow = (
            rs.canonicalize(side, draft=rs.Draft202012, validate_formats=True, offline=True)
            for side in (old, new)
        )
        answer = wide.covers(narrow).value
        # It does not decide between integers and numbers.
        is_wider = rs.is_valid(new, 0.5, offline=True) and not rs.is_valid(old, 0.5, offline=True)
    except Exception:  # whatever is not a schema, such as a variable in place of one
        return "unknown"
    return "compatible" if answer == "yes" else "breaking" if answer == "no" or is_wider else "unknown"


def _normal(schema: JsonSchema, root: JsonSchema) -> dict[str, Any]:
    """Return a schema without annotations and needless wrappers, with targets in place of references."""
    kept: dict[str, Any] = {}
    for _ in range(_LONGEST_CHAIN):
        if isinstance(schema, bool):
            return {} if schema else {"enum": []}
        kept = {key: schema[key] for key in schema if key not in _ANNOTATIONS and key[:2] != "x-"}
        wrapped = kept.get("allOf", kept.get("anyOf", kept.get("oneOf", ())))
        pointed = target(kept.get("$ref"), root)
        if len(kept) == len(wrapped) == 1:
            schema = wrapped[0]
        elif pointed is None:
            break
        elif pointed.keys() & kept.keys() <= _ANNOTATIONS | {"$ref"}:
            schema = {**{key: kept[key] for key in kept if key != "$ref"}, **pointed}
        else:
            kept["allOf"] = [*kept.get("allOf", ()), {"$ref": kept.pop("$ref")}]
            break
    if "oneOf" in kept and "anyOf" not in kept:
        kept["anyOf"] = kept.pop("oneOf")
    if kept.pop("nullable", False) and isinstance(kept.get("type"), str):  # OpenAPI, and so Gemini
        kept["type"] = [kept["type"], "null"]
    return kept


def target(reference: Any, root: Any) -> dict[str, Any] | None:
    """Return the schema in the same document that a reference means, if there is one."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    for part in reference.split("/")[1:]:
        root = as_mapping(root).get(part.replace("~1", "/").replace("~0", "~"))
    return _normal(root, root) if isinstance(root, bool) else root if isinstance(root, dict) else None


def _enum(schema: Mapping[str, Any]) -> list[Any]:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return values if isinstance(values, list) else []


def _shown(keyword: str, schema: Mapping[str, Any]) -> str:
    if keyword == "type":
        kinds = schema.get("type", "anything")
        return kinds if isinstance(kinds, str) else " or ".join(kinds)
    return encode(schema[keyword])[:_MOST_SHOWN] if keyword in schema else "none"
