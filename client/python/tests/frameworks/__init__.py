"""The guards for frameworks, in the real ones.

`go test ./client -run Frameworks` runs them with a Python that has the
frameworks. Their names begin with framework_, so that they are nobody else's.
"""
