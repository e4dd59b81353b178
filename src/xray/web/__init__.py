"""Pages under `/ui/`: what the read API answers, drawn for people.

A page's address is the API's with `/ui` in place of `/v1`, its parameters are the API's, and it
says which call yields what it shows.
"""
