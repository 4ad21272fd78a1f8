"""Why a program cannot be started, told by what its file is: missing, not executable, a wrong first line.

The system gives one number for many reasons: "No such file" is also a script whose interpreter is missing.
`cause.cause` looks at the file as the system does, and says the reason with its cure. Nothing is executed.
"""
