"""Cameras that are not there, as their makers would answer: WS-Discovery, ONVIF over SOAP, RTSP.

Objective: a fleet of cameras of six makers on addresses of their own, which an installer's wizard, the
daemon and the tests find, ask, set right and record as they would real ones; and which misbehave.
Invariants: what is set over ONVIF is what is streamed and told from then on; an answer of one maker is
made of that maker's words, prefixes, order and paths (``makers``) and never copied from a recording;
pictures are encoded once per kind of stream for the whole fleet (``loops``); no credentials in a log.
Non-goals: no conformance: only what the box asks for, and some of what it must not trip over; no
HTTPS, no WS-BaseNotification push, no analytics.
Read next: ``makers`` (personalities), ``device`` (one camera's state), ``services`` (what it answers),
``front`` (HTTP, proof of the password, faults), ``announcing`` (discovery), ``fleet``, ``program``.
"""
