"""Release labels: reading, creating, moving and deleting them."""

from __future__ import annotations

from promptsync.prompt.prompt import Label
from promptsync.registry.errors import FateUnknown, Rejected, Unsupported
from promptsync.registry.promptlayer import endpoints, parse
from promptsync.registry.promptlayer.answers import Answer, listed_in
from promptsync.registry.promptlayer.parse import number
from promptsync.registry.promptlayer.reading import Reading

_KEYS = ("release_labels", "labels", "items")
_NO_SUCH_LIST = frozenset({400, 404, 405, 422})


class Labelling(Reading):
    """The part of a registry that keeps release labels.

    A registry may hold a change back for approval, or overload a label with an A/B release: read the label
    again after each change.
    """

    _has_label_list = True

    def labels(self, template_id: int, name: str) -> list[Label]:
        """The labels of one prompt, each with the version that it points at.

        Raises ``Unsupported`` where labels can only be set while publishing.
        """
        answer = self.call(
            endpoints.LABELS, path={"identifier": self._identifier(template_id, name)}, fresh=True
        )
        items = answer.listed(*_KEYS)
        try:
            return [parse.label(item, template_id, name) for item in items]
        except ValueError as error:
            answer.fail(f"release labels ({error})")

    def all_labels(self) -> list[Label] | None:
        """The labels of all prompts in one request, or ``None`` where a registry has no such list.

        Then they have to be read per prompt. Each label names its prompt by id, by name or by both.
        """
        if not self._has_label_list:
            return None
        try:
            found = _all_labels(self.call(endpoints.ALL_LABELS, fresh=True))
        except (Unsupported, Rejected) as error:
            if isinstance(error, Rejected) and error.status not in _NO_SUCH_LIST:
                raise
            found = None
        self._has_label_list = found is not None
        return found

    def set_label(
        self, template_id: int, name: str, label: str, version: int, existing: Label | None
    ) -> None:
        """Point ``label`` of the prompt at ``version``: move ``existing``, or create it without one."""
        if existing is not None:
            self._move(template_id, name, existing, version)
            return
        body = {"name": label, "prompt_version_number": version}
        try:
            self.call(endpoints.CREATE_LABEL, path={"template_id": template_id}, body=body).acknowledge()
        except FateUnknown:
            # unlike a version, a label can be looked for before it is made again
            made = next((one for one in self.labels(template_id, name) if one.name == label), None)
            if made is None:
                self.call(endpoints.CREATE_LABEL, path={"template_id": template_id}, body=body).acknowledge()
            elif made.version != version:
                self._move(template_id, name, made, version)

    def delete_label(self, label: Label) -> None:
        """Delete a label; one that is gone already is no error."""
        try:
            self.call(endpoints.DELETE_LABEL, path={"label_id": label.label_id}).acknowledge()
        except Rejected as error:
            if error.status != 404:
                raise

    def _move(self, template_id: int, name: str, label: Label, version: int) -> None:
        def check() -> None:
            # somebody may have moved it while we waited to ask once more
            found = next((one for one in self.labels(template_id, name) if one.name == label.name), None)
            if found is not None and found.version not in (label.version, version):
                told = f"somebody else moved {label.name!r} of {name!r} meanwhile, to v{found.version}"
                raise Rejected(told, status=409)

        self.call(
            endpoints.MOVE_LABEL,
            path={"label_id": label.label_id},
            body={"prompt_version_number": version},
            before_repeat=check,
        ).acknowledge()


def _all_labels(answer: Answer) -> list[Label] | None:
    """The labels in ``answer``, ``None`` when it is something else or leaves open whose they are."""
    body = answer.json()
    # the vendor's registry reads this path as the prompt named "labels"
    is_template = isinstance(body, dict) and "prompt_template" in body
    items = listed_in(body, _KEYS)
    if is_template or items is None or not all(isinstance(item, dict) for item in items):
        return None
    if isinstance(body, dict) and (number(body, "pages") or 1) > 1:
        return None
    try:
        found = [parse.label(item) for item in items]
    except ValueError:
        return None
    return found if all(one.template_id is not None or one.prompt_name for one in found) else None
