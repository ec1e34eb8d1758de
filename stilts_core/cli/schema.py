"""`stilts schema`: the JSON Schema of a study or a profile."""

from __future__ import annotations

import click


@click.command(
    epilog="Example: stilts schema study > study.schema.json, then begin the study with the line "
    "# yaml-language-server: $schema=study.schema.json",
)
@click.argument("document", type=click.Choice(["study", "profile"]))
def command(document: str) -> None:
    """Print the JSON Schema of a study or a profile, for editors."""
    import json

    from stilts_core.spec.schema import profile_schema, study_schema

    schema = study_schema() if document == "study" else profile_schema()
    click.echo(json.dumps(schema, indent=2, ensure_ascii=False))
