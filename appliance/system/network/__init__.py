"""The machine's ports: what each is for, its address, and a change that undoes itself.

Objective: an installer who types a wrong address is not locked out: what was there before is there again
after a minute, whoever was killed meanwhile.
Invariants: what lasts (/etc/systemd/network) is written only once a person has said that it holds; until
then all is in what a restart of the machine forgets (/run, the kernel). The undoing is written down, and a
process apart waits to do it, before anything is changed. No text of a person gets into a file or a command
but names of interfaces, addresses and numbers, each checked.
Non-goals: IPv6 addresses by hand, bonds, bridges, Wi-Fi, routing between the ports (the firewall forbids it).
Read next: ``settings`` (the data), ``networkd`` and ``direct`` (how it is done), ``trial``, ``guard``,
``links`` (what is there).
"""
