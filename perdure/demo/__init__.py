"""`perdure demo`: an order workflow under real SIGKILLs, and a judge that does not believe the engine.

- events: what can happen to an order
- order: the workflow and its tables; every transition writes its rows of the user's ledger in its own transaction
- script: what a seed stands for: which events, at which of them the child is killed, and where in the transition
- faults: a Store that kills, or forgets a commit; the product knows nothing of it
- child: opens the file, recovers, sends the script, acknowledges each transition over a pipe, and dies on the way
- wire: what the child says to its parent
- parent: starts the child again and again, and keeps the list of what was acknowledged
- evidence: what stands in the file at the end
- judge: compares the parent's list with the journal and with the user's tables. Pure
- screen: a live table on a terminal, plain lines elsewhere
- place: where the file lives, and what becomes of it
- next: the three commands to try next
- command: `run`, which is all of it, and the exit code
"""
