"""Sauron's home in an AWS account: made, changed and taken down from a checkout, one stage beside another.

`up` and `down` each make a plan first, a list of steps that were compared with what AWS has, and then carry
it out. What is deployed is asked of AWS every time; nothing here remembers it. So both may be cut off
anywhere and run again, from any checkout.

    up, down        which steps, in which order
    deployment      the functions themselves, by Chalice            source     what is shipped, and its digest
    functions       what Chalice has no word for                    found      what AWS has of a stage
    policies        the functions' permissions, for one account
    queues, parameters, logs, alarms, store                         one kind of thing each
    wanted          what the operator's environment asks for        names, plan, cloud   values and the way to AWS
"""
