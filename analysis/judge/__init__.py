"""Classes of error by a judge or by people: blinded passes, agreement, calibration on the mini world, labelling."""
