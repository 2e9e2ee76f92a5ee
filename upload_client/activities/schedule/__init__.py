"""A schedule: jobs in a file, and when each is due.

`document` reads the file, `triggers` says when, `store` remembers what was done, `service` runs it, `jobs`
makes an activity of each job, `outlook` says what comes and what was. The scheduling is APScheduler's.
"""
