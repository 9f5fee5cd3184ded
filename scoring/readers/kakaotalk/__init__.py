"""KakaoTalk's exports: one parser for its text exports, a file for the syntax of each program."""
