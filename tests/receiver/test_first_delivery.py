"""As docs/receiver.md says it: template, stack, invitation, a provider's delivery, verdicts, a message."""

from __future__ import annotations

import json

from receiver.conftest import deliver

from upload_client.aws.auth import open_session
from upload_client.sandbox import sample
from upload_client.settings import load_settings

TEMPORARY, CHOSEN = "Temporary-1-password", "Chosen-1-by-maria"


def test_from_the_template_to_the_message_that_a_delivery_is_complete(deployed, tmp_path):
    outcomes = deployed.subscribe()
    profile = tmp_path / "maria.toml"
    deployed.cli(
        *("invite", "--dataset", "survey7", "--delivery-id", "2026-11", "--user", "maria"),
        *("--ask-password", "-o", profile),
        answers=f"{TEMPORARY}\n{TEMPORARY}\n",
    )
    assert TEMPORARY not in profile.read_text(encoding="utf-8")

    # At the first login the temporary password is replaced.
    questions = []

    def maria(question, *, secret):
        questions.append(question)
        return TEMPORARY if len(questions) == 1 else CHOSEN

    open_session(load_settings(profile=profile, environ={}), prompt=maria)
    assert [question.partition(" ")[0] for question in questions] == ["Password", "New", "The"]

    before = deployed.aws.log.read_text(encoding="utf-8")
    sample(tmp_path / "data", n_files=8)
    (tmp_path / "data" / "harbour" / "broken.json").write_text("{", encoding="utf-8")
    done = deliver(profile, tmp_path / "data", "survey7", "2026-11", CHOSEN)
    assert done.returncode == 3, f"{done.stdout}\n{done.stderr}\n{deployed.aws.log.read_text()}"
    assert json.loads(done.stdout.splitlines()[-1])["counts"]["valid"] == 8

    said = deployed.aws.log.read_text(encoding="utf-8")
    assert "refused:" not in said[len(before) :]  # the roles allow all that a delivery needs

    told = outcomes.next()
    assert (told["dataset"], told["delivery_id"], told["n_files"]) == ("survey7", "2026-11", 9)
    assert (told["valid"], told["invalid"], told["not_judged"], told["not_delivered"]) == (8, 1, 0, 0)
    assert told["complete"] is False
    assert [file["path"] for file in told["invalid_first"]] == ["harbour/broken.json"]
