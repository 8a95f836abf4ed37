"""A framework whose import leaves a process and then fails in the importing one."""

import os
import time

if os.fork() == 0:
    os.setsid()
    time.sleep(20)
    os._exit(0)
os._exit(3)
