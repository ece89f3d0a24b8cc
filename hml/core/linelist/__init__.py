"""Line lists that users bring: read from their files (MOOG, VALD, ECSV), and matched to the tracks of a generator."""
