"""``python -m appliance.vision.worker FD``."""

import sys

from appliance.vision.worker.worker import main

if __name__ == "__main__":
    sys.exit(main())
