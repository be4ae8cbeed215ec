"""The pages of the box, rendered here: what a person sees before any script runs.

Objective: each page is whole without a script; scripts keep it fresh.
Invariants: words for codes stand in one table (``words``), which ``ui/static/words.js`` mirrors; what a
person may not see is not in the page.
Non-goals: no decisions: pages ask what the API asks.
Read next: ``routes`` (which there are), ``view`` (how one is rendered), ``data`` (what they show).
"""
