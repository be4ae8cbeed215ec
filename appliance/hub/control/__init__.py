"""What people at the hub order boxes to do: who may, how it is signed, how it waits until the box asks.

Read next: ``ordering`` (an order as one transaction), ``routes`` (over HTTP). What comes back is a row of
kind ``command_result`` like any other (``hub.store.rows``).
"""
