"""What `provisioner doctor` looks at beyond "is it there": reading apart from judging, a file per subject.

Nothing here changes anything, and nothing raises because of what it finds. docs/doctor.md lists every check.
"""
