"""What both ends of a connection know: named servers, tokens, fingerprints of certificates.

Lives here: the user's list of servers, files with tokens, what a client pins. Standard library only, so that the
registry and the command line may read it. Lives not here: sockets, HTTP, certificates themselves (server/tls.py).
"""
