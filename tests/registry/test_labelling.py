"""Release labels, in every form in which registries answer."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_registry import Reply, Scripted, client, version

from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Label
from promptsync.registry.errors import Rejected

PROD = {"release_label": "prod", "release_label_id": 12, "prompt_version_number": 3}
OWNED = {**PROD, "prompt_id": 71, "prompt_name": "greet"}
LABEL = Label("prod", 3, 12, 71, "greet")

LABEL_LISTS: list[tuple[Any, list[Label] | None]] = [
    ([OWNED], [LABEL]),
    ({"success": True, "release_labels": [OWNED]}, [LABEL]),
    ({"labels": [OWNED]}, [LABEL]),
    ({"items": [OWNED]}, [LABEL]),
    (
        [{"name": "prod", "version": 3, "id": 12, "prompt_name": "greet"}],
        [Label("prod", 3, 12, None, "greet")],
    ),
    ([], []),
    ([PROD], None),
    ([{**OWNED, "prompt_version_number": None}], None),
    (["prod"], None),
    ({"names": ["prod"]}, None),
    ({"items": [OWNED], "pages": 2}, None),
    ({**version("labels"), "labels": []}, None),
]


@pytest.mark.parametrize(("body", "labels"), LABEL_LISTS)
def test_a_list_of_all_labels_is_used_only_if_it_is_complete(body: Any, labels: list[Label] | None) -> None:
    with client(Scripted(Reply(body))) as registry:
        assert registry.labels.all() == labels


@pytest.mark.parametrize("status", [400, 404, 405, 422, 401, 403])
def test_a_list_of_all_labels_may_be_missing_but_not_forbidden(status: int) -> None:
    with client(Scripted(Reply({"message": "'labels' is not an id"}, status=status))) as registry:
        if status in (401, 403):
            with pytest.raises(Rejected):
                registry.labels.all()
        else:
            assert registry.labels.all() is None


@pytest.mark.parametrize("body", [[PROD], {"release_labels": [PROD]}])
def test_the_labels_of_a_prompt_are_a_list_or_in_an_object(body: Any) -> None:
    with client(Scripted(Reply(body))) as registry:
        assert registry.labels.of(71, "greet") == [LABEL]


@pytest.mark.parametrize("body", [{}, {"release_labels": {}}, [{"release_label": "prod"}], "<html>"])
def test_labels_of_another_shape_are_refused(body: Any) -> None:
    with client(Scripted(Reply(body))) as registry, pytest.raises(RemoteError, match="expected"):
        registry.labels.of(71, "greet")


def test_a_forbidden_label_names_the_missing_permission() -> None:
    with client(Scripted(Reply("", status=403))) as registry, pytest.raises(Rejected) as caught:
        registry.labels.set(71, "greet", "prod", 3, LABEL)
    assert "permission" in caught.value.hint
    assert caught.value.code == "forbidden"
