"""Deploy Sauron to an AWS account from a checkout: create, change and remove stages.

`up` and `down` first make a plan: a list of steps, each compared with what AWS has. Then they apply it.
The state of a deployment is read from AWS every time and kept nowhere else, so both commands may be
interrupted at any point and run again, from any checkout.

    up, down        which steps, in which order
    deployment      the functions, roles, rules and API, through Chalice
    package         which files are deployed, and their digest
    precompile      adds compiled Python to the packages
    functions       what Chalice cannot set: /tmp size, digest
    limits          what keeps functions from starving each other, and the API from being flooded
    check           has the deployed functions check themselves
    policies        the functions' permissions, limited to one account
    template        the same stage, for CloudFormation
    inventory       what AWS has of a stage
    desired         what the operator's settings ask for
    queues, parameters, logs, alarms, store     one kind of resource each
    names, plan, cloud                          names of resources, steps, clients of AWS
"""
