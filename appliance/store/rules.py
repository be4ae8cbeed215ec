"""Rules: what makes an event out of tracks."""

import sqlite3

import msgspec

from appliance.base.model import Rule

_decode = msgspec.json.Decoder(Rule).decode


def list_rules(conn: sqlite3.Connection) -> list[Rule]:
    """In the order they were made (ids are UUIDv7)."""
    return [_decode(row["body"]) for row in conn.execute("SELECT body FROM rules ORDER BY id")]


def get(conn: sqlite3.Connection, rule_id: str) -> Rule | None:
    row = conn.execute("SELECT body FROM rules WHERE id = ?", (rule_id,)).fetchone()
    return None if row is None else _decode(row["body"])


def insert(conn: sqlite3.Connection, rule: Rule) -> None:
    conn.execute("INSERT INTO rules (id, body) VALUES (?, ?)", (rule.id, _encode(rule)))


def replace(conn: sqlite3.Connection, rule: Rule) -> None:
    conn.execute("UPDATE rules SET body = ? WHERE id = ?", (_encode(rule), rule.id))


def delete(conn: sqlite3.Connection, rule_id: str) -> bool:
    """False where there was none."""
    return conn.execute("DELETE FROM rules WHERE id = ?", (rule_id,)).rowcount > 0


def _encode(rule: Rule) -> str:
    return msgspec.json.encode(rule).decode()
