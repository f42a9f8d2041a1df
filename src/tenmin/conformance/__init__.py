"""What every driver must do, checked against its simulator.

Run it on one driver, from whatever distribution it comes, or on all that are installed::

    pytest --pyargs tenmin.conformance --driver NAME

It needs the extra ``conformance``. How a driver's far side is found and driven: see
`tenmin.source.Rehearsal` and docs/drivers/write-a-driver.md.
"""
