"""Moving pictures: who is who from frame to frame, words along each face, rows, a page and a video with them."""
