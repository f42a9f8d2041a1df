"""What the core says of the quality of the samples, and the contract for checks of others."""

from tenmin.checks.contract import Check as Check
from tenmin.stream import Stream as Stream
from tenmin.verdict import FAIL as FAIL
from tenmin.verdict import OK as OK
from tenmin.verdict import UNKNOWN as UNKNOWN
from tenmin.verdict import WARN as WARN
from tenmin.verdict import Verdict as Verdict
