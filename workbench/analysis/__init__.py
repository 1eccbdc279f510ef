"""From a study's records to what may be said of them: pairs, intervals, verdicts, reports and figures."""
