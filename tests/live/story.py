"""What promptsync's commands have to do on a live registry, chapter by chapter."""

from __future__ import annotations

from findings import Chapter, Differs, Seen
from reading import states, texts, versions
from releases import DEPLOY, LABELS
from session import REFUSED, Session

PROMPTS = Chapter("Prompts")


@PROMPTS.step("doctor accepts the key and finds out the dialect", "key-accepted ok, registry ok, dialect ok")
def doctor(session: Session) -> Seen:
    session.prompt("greeting", "You are kind.", "Hello {name}")
    session.commit("Add a greeting")
    checks = {check["name"]: check for check in session.run("doctor")["checks"]}
    names = ("key-accepted", "registry", "dialect")
    if missing := [name for name in names if name not in checks]:
        return False, f"no check {', '.join(missing)}"
    session.exchanges.append(f"dialect: {checks['dialect']['message']}")
    return ", ".join(f"{name} {checks[name]['status']}" for name in names)


@PROMPTS.step("status shows a new prompt", "new")
def new(session: Session) -> Seen:
    return states(session, "greeting")


@PROMPTS.step("push publishes it", "greeting v1")
def push(session: Session) -> Seen:
    return versions(session, session.run("push", "--yes")["published"])


@PROMPTS.step("status shows no difference: what was read back is what was sent", "in-sync v1")
def in_sync(session: Session) -> Seen:
    return states(session, "greeting")


@PROMPTS.step("log shows the version with its commit", "v1 Add a greeting, with a commit and a date")
def log(session: Session) -> Seen:
    (version,) = session.run("log", session.name("greeting"))["versions"]
    beside = [word for word, key in (("a commit", "commit"), ("a date", "created_at")) if version.get(key)]
    return f"v{version['version']} {version['message']}, with {' and '.join(beside)}"


@PROMPTS.step("show prints the file", "the texts of the file")
def show(session: Session) -> Seen:
    out = session.text("show", session.name("greeting"))
    return "the texts of the file" if "You are kind." in out and "Hello {name}" in out else (False, out)


@PROMPTS.step("an edit is ahead, and its push makes version 2", "ahead v1; greeting v2; in-sync v2")
def edit(session: Session) -> Seen:
    session.edit("greeting", "Hello", "Good day")
    before = states(session, "greeting")
    published = versions(session, session.run("push", "--yes")["published"])
    return f"{before}; {published}; {states(session, 'greeting')}"


@PROMPTS.step("a second push publishes nothing", "none")
def push_again(session: Session) -> Seen:
    return versions(session, session.run("push", "--yes")["published"])


@PROMPTS.step("tags reach the registry and come back", "in-sync v3, tags promptsync, verify")
def tags(session: Session) -> Seen:
    session.write("prompts/greeting.yaml", session.read("greeting") + "tags: [promptsync, verify]\n")
    session.edit("greeting", "Good day", "Hi")
    session.run("push", "--yes")
    stored = session.workspace.get("greeting", "?resolve_snippets=false").fields.get("tags") or []
    return f"{states(session, 'greeting')}, tags {', '.join(sorted(map(str, stored)))}"


DASHBOARD = Chapter("Dashboard edits, made with the API as the dashboard's editor would")


@DASHBOARD.step("an edit in the dashboard makes the file behind", "behind v2")
def behind(session: Session) -> Seen:
    session.prompt("shared", "You are kind.", "Hello {name}")
    session.commit("Add a shared prompt")
    session.run("push", session.name("shared"), "--yes")
    edit_in_dashboard(session, "You are kind.", "You are very kind.")
    return states(session, "shared")


def edit_in_dashboard(session: Session, old: str, new: str) -> None:
    stored = session.workspace.get("shared", "?resolve_snippets=false").fields
    template = stored.get("prompt_template")
    if not isinstance(template, dict):
        raise Differs("the prompt cannot be read")
    for message in template["messages"]:
        for block in message["content"]:
            block["text"] = block["text"].replace(old, new)
    answer = session.workspace.publish(
        "shared", template, "Edited in the dashboard", tags=stored.get("tags") or []
    )
    if answer.status not in (200, 201):
        raise Differs(f"the edit got {answer.status}: {answer.raw}")


@DASHBOARD.step("pull writes it into the file", "in-sync v2, very kind")
def pull(session: Session) -> Seen:
    session.run("pull", session.name("shared"), "--yes")
    session.commit("Pull")
    kind = "very kind" if "very kind" in session.read("shared") else "not the edit"
    return f"{states(session, 'shared')}, {kind}"


@DASHBOARD.step("after edits on both sides, push publishes nothing", "diverged v3; exit 3, still v3")
def diverged(session: Session) -> Seen:
    edit_in_dashboard(session, "very kind", "extremely kind")
    session.edit("shared", "Hello", "Hi")
    state = states(session, "shared")
    session.run("push", session.name("shared"), "--yes", code=REFUSED)
    version = session.workspace.get("shared", "?resolve_snippets=false").fields.get("version")
    return f"{state}; exit 3, still v{version}"


@DASHBOARD.step("pull --merge and push keep both edits", "shared v4: You are extremely kind. / Hi {name}")
def merge(session: Session) -> Seen:
    session.run("pull", session.name("shared"), "--merge", "--yes")
    session.commit("Merge the edit made in the dashboard")
    published = versions(session, session.run("push", session.name("shared"), "--yes")["published"])
    return f"{published}: {' / '.join(texts(session, 'shared'))}"


SNIPPETS = Chapter("Snippets")


@SNIPPETS.step("push publishes a snippet before its user", "letter v1, tone v1")
def push_snippet(session: Session) -> Seen:
    session.prompt("tone", content="Be kind.")
    session.prompt("letter", f"@@@{session.name('tone')}@@@ Be brief.", "Hello {name}")
    session.commit("Add a snippet")
    return versions(
        session, session.run("push", session.name("letter"), session.name("tone"), "--yes")["published"]
    )


@SNIPPETS.step("the stored text has the reference", "the reference")
def reference(session: Session) -> Seen:
    text = texts(session, "letter")[0]
    return "the reference" if text.startswith(f"@@@{session.name('tone')}@@@") else (False, text)


@SNIPPETS.step("the application gets the text", "Be kind. Be brief.")
def expanded(session: Session) -> Seen:
    return texts(session, "letter", "?resolve_snippets=true")[0]


@SNIPPETS.step(
    "a new version of the snippet is no difference of its user", "tone v2; in-sync v1; Be friendly. Be brief."
)
def edit_snippet(session: Session) -> Seen:
    session.edit("tone", "Be kind.", "Be friendly.")
    published = versions(session, session.run("push", session.name("tone"), "--yes")["published"])
    return (
        f"{published}; {states(session, 'letter')}; {texts(session, 'letter', '?resolve_snippets=true')[0]}"
    )


@SNIPPETS.step("the registry lists the user of the snippet", "letter")
def usage(session: Session) -> Seen:
    snippet = session.workspace.prompt("tone")
    found = session.workspace.registry.prompts.snippet_usage(snippet.template_id, snippet.name)
    users = {str(user.get("prompt_name")) for user in found.get("snippet_usage") or ()}
    return ", ".join(sorted(name.removeprefix(session.workspace.names) for name in users))


ARCHIVE = Chapter("Archive and restore")


@ARCHIVE.step("push --prune archives the prompt of a deleted file", "archived 1, not listed any more")
def archive(session: Session) -> Seen:
    session.prompt("old", "You are kind.", "Hello {name}")
    session.commit("Add a prompt to archive")
    session.run("push", session.name("old"), "--yes")
    session.git("rm", "--quiet", "prompts/old.yaml")
    session.commit("Delete it")
    archived = session.run("push", session.name("old"), "--prune", "--yes")["archived"]
    listed = [version.name for version in session.workspace.prompts()]
    return f"archived {len(archived)}, {'still' if session.name('old') in listed else 'not'} listed any more"


@ARCHIVE.step("push leaves a prompt archived", "deleted-remotely, none published")
def stays_archived(session: Session) -> Seen:
    session.git("revert", "--no-edit", "HEAD")
    state = states(session, "old").split()[0]
    published = session.run("push", session.name("old"), "--yes")["published"]
    return f"{state}, {versions(session, published)} published"


@ARCHIVE.step("push --restore publishes it again", "old v2; in-sync v2")
def restore(session: Session) -> Seen:
    document = session.run("push", session.name("old"), "--restore", "--yes")
    return f"{versions(session, document['published'])}; {states(session, 'old')}"


STORY = (PROMPTS, DASHBOARD, LABELS, DEPLOY, SNIPPETS, ARCHIVE)
