"""The commands of `fhir-lab`, a file per group. What a command needs is imported when it runs: start-up stays fast."""
