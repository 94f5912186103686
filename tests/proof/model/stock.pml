/* The stock protocol as a model: claim, lock, call, record, recovery, with what may go wrong in between.
 *
 * Each `atomic` or `d_step` is one command to the database or one step of inventory; between two of them anybody may act,
 * time may pass, and a process may die. Every line is of one unit. The numbers are set with -D: the configurations stand
 * in tests/proof/model/configurations.py, what is left out in docs/proof.md.
 */

/* How much there is of everything. */
#ifndef ORDERS
#define ORDERS 2
#endif
#ifndef LINES                   /* of each order */
#define LINES 1
#endif
#ifndef PRODUCTS
#define PRODUCTS 1
#endif
#ifndef STOCK                   /* units of each product */
#define STOCK 2
#endif
#ifndef CANCELS                 /* requests that cancel (or ship) an order that they find placed */
#define CANCELS 1
#endif
#ifndef WORKERS
#define WORKERS 1
#endif

/* What may go wrong, and how many times. */
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef LOST                    /* calls that never arrive, answers that never do, calls still at work when given up */
#define LOST 0
#endif
#ifndef UNSENT                  /* no connection, an open breaker, no time left */
#define UNSENT 0
#endif
#ifndef FAILED_CLAIMS           /* the database answers a claim with an error, whether it was written or not */
#define FAILED_CLAIMS 0
#endif
#ifndef OVERLONG                /* a lease ends while a call that was sent under it is still at work */
#define OVERLONG 0
#endif
#ifndef PAUSES                  /* a process stands still between its look at the leases and sending */
#define PAUSES 0
#endif

/* What inventory is, and what is asked of it. */
#ifndef ATOMIC
#define ATOMIC 0
#endif
#ifndef KEYS                    /* it honours idempotency keys */
#define KEYS 0
#endif
#ifndef FENCING                 /* 1: it refuses a call under an older lock than one it has seen; 2: when it writes, too */
#define FENCING 0
#endif
#ifndef LOCKS
#define LOCKS (!ATOMIC)
#endif
#ifndef RETRIES                 /* a placement repeats at once what was lost and may be repeated */
#define RETRIES 0
#endif

/* Safeguards, taken out one at a time. */
#ifndef NO_LEASE                /* a worker takes every attempt for expired */
#define NO_LEASE 0
#endif
#ifndef GUESS                   /* what may have been sent is repeated, though inventory honours no keys */
#define GUESS 0
#endif
#ifndef UNGUARDED_CLAIM         /* a worker claims what was due when it looked */
#define UNGUARDED_CLAIM 0
#endif
#ifndef UNGUARDED_PLACE         /* a draft is placed whatever has become of it */
#define UNGUARDED_PLACE 0
#endif
#ifndef SIDE_BY_SIDE            /* the lines of an order are called for at once, those of one product too */
#define SIDE_BY_SIDE 0
#endif
#ifndef GIVE_BACK_UNKNOWN       /* a lock is given back though its call may still be at work */
#define GIVE_BACK_UNKNOWN 0
#endif
#ifndef GIVE_BACK_ANY           /* a lock is given back though another may hold it by now */
#define GIVE_BACK_ANY 0
#endif
#ifndef CLEAR_ANY              /* a failed claim is cleared though an earlier attempt may have called */
#define CLEAR_ANY 0
#endif
#ifndef HARM_ONLY               /* calls that overlap are no error yet, only what comes of them */
#define HARM_ONLY 0
#endif
#ifndef PROBE                   /* a state that the search has to reach: it must find this "error" */
#define PROBE 0
#endif

#define ALL (ORDERS * LINES)
#define PEOPLE (ORDERS + CANCELS + WORKERS)
#if SIDE_BY_SIDE
#define CALLS (PEOPLE * LINES + LOST + CRASHES)
#else
#define CALLS (PEOPLE + LOST + CRASHES)                 /* at work at once, at most */
#endif
#define NOBODY 255

mtype:status = { no_order, placing, pending, shipped, cancelled, rejected }
mtype:stock = { none, reserving, reserved, used, releasing, released, unknown }
mtype:result = { nothing, done, refused, not_sent, lost }
mtype:call = { nowhere, sent, read, answered }

typedef Line {                  /* items[].stock of an order */
    mtype:stock state;
    byte by;                    /* attempt.id, as the number of its process; 0: no attempt */
    bit runs                    /* attempt.until is yet to come */
}
typedef Call {                  /* a call that inventory is at, or has answered */
    mtype:call at;
    byte line;
    bit release;
    byte caller;                /* who waits for the answer; 0: nobody, any more */
    byte sender; bit late;      /* who sent it; under a lease that had ended */
    byte available, held;       /* the row, as it was read */
    byte token;                 /* with FENCING: the number of the lock it was sent under */
    mtype:result answer
}

/* The database. */
mtype:status status[ORDERS];
Line line[ALL];
byte lock[PRODUCTS];            /* its holder; 0: free, or its lease has ended */
/* Inventory. */
byte available[PRODUCTS];
byte held[PRODUCTS];
Call call[CALLS];
/* Whether the lease of a process's claim lasts, as it measures it itself. */
bit lease[PEOPLE + 1];
#if FENCING
byte token[PEOPLE + 1], seen[PRODUCTS];
#endif
/* What inventory really did, line by line: nobody knows but the judge. */
byte reserves[ALL], releases[ALL];
/* What may still go wrong. */
byte crashes = CRASHES, losses = LOST, unsent = UNSENT, failed_claims = FAILED_CLAIMS, pauses = PAUSES, overlong = OVERLONG;
/* For loops and sums within one step: no part of the state. */
hidden byte i, k, sure, perhaps, rank, busy;

#define of(o, l) ((o) * LINES + (l))
#define product(n) (((n) / LINES + (n) % LINES) % PRODUCTS)
#define at_work(c) (call[c].at == sent || call[c].at == read)
#define owed(n) (line[n].state == reserving || line[n].state == releasing)
#define live(n) (line[n].by != 0 && line[n].runs && !NO_LEASE)
#define repeatable (KEYS || GUESS)

/* --- What must hold: looked at after every write of ours and every act of inventory --------------------------------- */

inline look() {
    busy = 0;
    for (i : 0 .. ALL - 1) {
        assert(reserves[i] <= 1);                       /* no line is reserved twice, */
        assert(releases[i] <= reserves[i]);             /* or released twice, or without having been reserved */
        if
        :: line[i].state == reserved || line[i].state == used -> assert(reserves[i] == 1 && releases[i] == 0)
        :: line[i].state == none || line[i].state == released -> assert(reserves[i] == releases[i])
        :: else
        fi;
        assert(status[i / LINES] != pending || line[i].state == reserved);   /* no order with a line not reserved */
        busy = busy || owed(i)
    }
    for (i : 0 .. ORDERS - 1) { busy = busy || status[i] == placing }
    for (i : 0 .. CALLS - 1) { busy = busy || at_work(i) }
    for (k : 0 .. PRODUCTS - 1) {
        sure = 0; perhaps = 0;
        for (i : 0 .. ALL - 1) {
            if
            :: product(i) == k && (line[i].state == reserved || line[i].state == used) -> sure++
            :: product(i) == k && line[i].state == unknown -> perhaps++
            :: else
            fi
        }
        assert(available[k] + held[k] == STOCK);
        assert(busy || (sure <= held[k] && held[k] <= sure + perhaps))   /* at rest it holds what our lines say */
    }
    probe()
}

/* No update is lost: after each of its writes, inventory holds what it was made to hold. */
inline no_update_is_lost(p) {
    sure = 0;
    for (i : 0 .. ALL - 1) {
        if
        :: product(i) == p -> sure = sure + reserves[i] - releases[i]
        :: else
        fi
    }
    assert(held[p] == sure)
}

/* No two calls of one product are under way at inventory at once. */
inline nobody_else_is_at(n) {
    for (i : 0 .. CALLS - 1) {
        assert(!LOCKS || HARM_ONLY || !at_work(i) || product(call[i].line) != product(n))
    }
}

#if PROBE
inline probe() {
    sure = 0; perhaps = 0; k = 0;
    for (i : 0 .. ORDERS - 1) {
        if
        :: status[i] == pending -> sure++
        :: else
        fi
    }
    for (i : 0 .. ALL - 1) {
        if
        :: line[i].state == unknown -> perhaps++
        :: line[i].state == released -> k++
        :: else
        fi
    }
#if PROBE == 1
    assert(sure < ORDERS)                                       /* every order is placed */
#elif PROBE == 2
    assert(busy || k < ALL)                                     /* every line was reserved and is released, all at rest */
#elif PROBE == 3
    assert(busy || perhaps == 0)                                /* a line is unknown, and nothing is owed */
#elif PROBE == 4
    assert(busy || k == 0 || crashes == CRASHES)                /* after a crash all is at rest, a line released */
#elif PROBE == 5
    assert(busy || k == 0 || perhaps || crashes == CRASHES || losses == LOST)   /* … a lost answer, too, and all known */
#elif PROBE == 6
    for (i : 0 .. CALLS - 1) { assert(!at_work(i) || call[i].caller != 0) }     /* a call that nobody waits for */
#elif PROBE == 7
    for (i : 0 .. CALLS - 1) { assert(call[i].answer != refused) }              /* the stock does not suffice */
#elif PROBE == 8
    assert(busy || k == 0 || failed_claims == FAILED_CLAIMS)    /* after a failed claim all is at rest, a line released */
#elif PROBE == 9
    for (i : 0 .. CALLS - 1) { assert(call[i].answer != not_sent) }             /* with FENCING: a call is too old */
#endif
}
#else
inline probe() { skip }
#endif

/* --- Small things that the processes do ------------------------------------------------------------------------------ */

/* `me` is the number of a process: placements first, then requests that cancel, then workers. */
#define is_placement (me <= ORDERS)
#define is_worker (me > ORDERS + CANCELS)
#define my_line of(o, l)
#define my_product product(of(o, l))
#define may_send (lease[me] && (!LOCKS || lock[my_product] == me))
/* Orders have one line or two. */
#define first(o) of(o, 0)
#define last(o) of(o, LINES - 1)
#define due(n) (owed(n) && !live(n))
#define left_behind(o) (status[o] == placing && !owed(first(o)) && !owed(last(o)))
#define needs_worker(o) (due(first(o)) || due(last(o)) || left_behind(o))
#define as_found(n, l) (!found[l] || (line[n].state == was[l] && line[n].by == was_by[l] && !live(n)))
#define still_mine(n, l) (!mine[l] || line[n].by == me)
#define held_by_me (still_mine(first(o), 0) && still_mine(last(o), LINES - 1))
#define all_done (is_placement && (status[o] == placing || UNGUARDED_PLACE) && \
    said[0] == done && said[LINES - 1] == done && !gives_back[0] && !gives_back[LINES - 1])
#define retry_now (RETRIES && KEYS && is_placement && said[l] == lost && !retried)
#define more_of_product (l + 1 < LINES && mine[LINES - 1] && product(first(o)) == product(last(o)))

inline put_under_attempt(n) {
    line[n].by = me; line[n].runs = 1; lease[me] = 1;
    mine[(n) % LINES] = 1; gives_back[(n) % LINES] = line[n].state == releasing
}

inline set_line(n, outcome) { line[n].state = outcome; line[n].by = 0; line[n].runs = 0 }

inline free_call(c) {
    call[c].at = nowhere; call[c].line = 0; call[c].release = 0; call[c].caller = 0; call[c].sender = 0; call[c].late = 0;
    call[c].available = 0; call[c].held = 0; call[c].token = 0; call[c].answer = nothing
}

inline forget() {
    for (i : 0 .. LINES - 1) { mine[i] = 0; gives_back[i] = 0; repeats[i] = 0; said[i] = nothing; asked[i] = NOBODY }
    lease[me] = 0; l = 0; keep = 0; locked = 0; retried = 0; all_sent = 0
}

/* The claiming write fails: perhaps it landed, perhaps its attempt is cleared; nobody is called under it (claims.claiming). */
inline claim_fails(clearable) {
    failed_claims--;
    if
    :: clearable || CLEAR_ANY ->
        printf("|%d|gets an error for that write, and clears its attempt\n", me);
        for (i : 0 .. LINES - 1) {
            if
            :: mine[i] -> line[of(o, i)].by = 0; line[of(o, i)].runs = 0
            :: else
            fi
        }
    :: printf("|%d|gets an error for that write, and stops\n", me)
    fi
}

inline send() {
    nobody_else_is_at(my_line);
    k = 0;
    do
    :: call[k].at != nowhere -> k++
    :: else -> break
    od;
    call[k].at = sent; call[k].line = my_line; call[k].release = gives_back[l]; call[k].caller = me; call[k].sender = me; call[k].late = !may_send;
#if FENCING
    call[k].token = token[me];
#endif
    asked[l] = k;
    if
    :: gives_back[l] -> printf("|%d|sends the release of order %d, line %d: call %d\n", me, o + 1, l + 1, k + 1)
    :: else -> printf("|%d|sends the reserve of order %d, line %d: call %d\n", me, o + 1, l + 1, k + 1)
    fi
}

/* It was not sent; what was sent a moment ago is as unknown as before. */
inline not_now() { said[l] = (said[l] == lost -> lost : not_sent) }

/* A refusal after a call that was lost a moment ago says nothing of that one. */
inline hear() {
    k = asked[l]; asked[l] = NOBODY;
    keep = said[l] == lost && call[k].answer != done;
    said[l] = (keep -> lost : call[k].answer);
    free_call(k);
    printf("|%d|hears of call %d: %e\n", me, k + 1, said[l])
}

/* The call never arrives, or its answer does not, or it is still at work when its caller gives it up. */
inline wait_in_vain() {
    k = asked[l]; asked[l] = NOBODY; said[l] = lost; keep = 1;
    if
    :: call[k].at == sent -> free_call(k); printf("|%d|waits in vain: its call never arrived\n", me)
    :: call[k].at == answered -> free_call(k); printf("|%d|waits in vain: the answer is lost\n", me)
    :: at_work(k) -> call[k].caller = 0; printf("|%d|gives up waiting, and its call is still at work\n", me)
    fi
}

/* One guarded write; not after an unknown outcome: then the lock lasts until its lease ends. */
inline give_lock_back() {
    locked = 0;
    if
    :: keep && !GIVE_BACK_UNKNOWN -> printf("|%d|keeps the lock of product %d, since its call may still be at work\n", me, my_product + 1)
    :: (!keep || GIVE_BACK_UNKNOWN) && (lock[my_product] == me || GIVE_BACK_ANY) -> lock[my_product] = 0;
        printf("|%d|gives the lock of product %d back\n", me, my_product + 1)
    :: (!keep || GIVE_BACK_UNKNOWN) && lock[my_product] != me && !GIVE_BACK_ANY
    fi;
    keep = 0; drop_token()
}

/* The table of outcomes, inventory_calls._stock_after. */
inline set_by_outcome(n, l) {
    if
    :: said[l] == done && !gives_back[l] -> set_line(n, reserved)
    :: said[l] == refused && !gives_back[l] -> set_line(n, none)
    :: (said[l] == done || said[l] == refused) && gives_back[l] -> set_line(n, released)
    :: (said[l] == lost && repeatable) || (said[l] == not_sent && repeats[l]) -> line[n].runs = 1   /* asked again */
    :: said[l] == lost && !repeatable -> set_line(n, unknown)
    :: said[l] == not_sent && !repeats[l] && !gives_back[l] -> set_line(n, none)
    :: said[l] == not_sent && !repeats[l] && gives_back[l] -> set_line(n, releasing)                  /* owed */
    fi
}

#if FENCING
inline drop_token() { token[me] = 0 }

/* A lock's number is greater than all before it. Here those still about are numbered anew each time, so that they stay
 * few: only their order matters. */
inline take_token() {
    token[me] = 0;
    rank = PEOPLE + CALLS + PRODUCTS;
    do
    :: rank == 0 -> break
    :: else ->
        busy = 0;
        for (i : 1 .. PEOPLE) { busy = busy || (i != me && token[i] == rank) }
        for (i : 0 .. CALLS - 1) { busy = busy || call[i].token == rank }
        for (i : 0 .. PRODUCTS - 1) { busy = busy || seen[i] == rank }
        if
        :: busy -> token[me]++
        :: else ->
            for (i : 1 .. PEOPLE) { if :: token[i] > rank && i != me -> token[i]-- :: else fi }
            for (i : 0 .. CALLS - 1) { if :: call[i].token > rank -> call[i].token-- :: else fi }
            for (i : 0 .. PRODUCTS - 1) { if :: seen[i] > rank -> seen[i]-- :: else fi }
        fi;
        rank--
    od;
    token[me]++
}
#else
inline take_token() { skip }
inline drop_token() { skip }
#endif

/* --- A process: the placement of one order, a request that cancels one, or a worker ---------------------------------- */

proctype Process(byte me) {
    byte o, l;
    bit mine[LINES], gives_back[LINES]; /* the lines of the claim; those to be released */
    bit repeats[LINES];                 /* those that an earlier attempt may have called for */
    mtype:result said[LINES];
    byte asked[LINES];                  /* the call whose answer is waited for */
    bit locked, keep, retried, all_sent;
    bit found[LINES]; mtype:stock was[LINES]; byte was_by[LINES];   /* what a worker saw when it looked */

    d_step { forget() };
    if
    :: is_placement -> goto place_order
    :: is_worker -> goto settle_due
    :: else -> goto change_status
    fi;

place_order:                            /* placement._insert: the draft, every line claimed */
    atomic {
        o = me - 1; status[o] = placing;
        for (i : 0 .. LINES - 1) { line[of(o, i)].state = reserving; put_under_attempt(of(o, i)) }
        printf("|%d|writes the draft of order %d, its lines under an attempt\n", me, o + 1);
        look();
        if
        :: failed_claims > 0 -> claim_fails(true); goto stop
        :: goto call_inventory
        fi
    };

change_status:                          /* transitions._write: guarded by status and version, so that one wins */
end_without_an_order:
    atomic {
        if
        :: status[0] == pending -> o = 0
        :: status[ORDERS / 2] == pending -> o = ORDERS / 2
        :: status[ORDERS - 1] == pending -> o = ORDERS - 1
        fi;
        if
        :: status[o] = cancelled;
            for (i : 0 .. LINES - 1) { line[of(o, i)].state = releasing; put_under_attempt(of(o, i)) }
            printf("|%d|writes order %d cancelled, its lines under an attempt\n", me, o + 1);
            look();
            if
            :: failed_claims > 0 -> claim_fails(true); goto stop
            :: goto call_inventory
            fi
        :: status[o] = shipped;
            for (i : 0 .. LINES - 1) { set_line(of(o, i), used) }
            printf("|%d|writes order %d shipped\n", me, o + 1);
            look(); goto stop
        fi
    };

settle_due:                             /* worker.settle_order: reads an order that is due, */
end_with_nothing_due:
    atomic {
        if
        :: needs_worker(0) -> o = 0
        :: needs_worker(ORDERS / 2) -> o = ORDERS / 2
        :: needs_worker(ORDERS - 1) -> o = ORDERS - 1
        fi;
        for (i : 0 .. LINES - 1) {
            if
            :: due(of(o, i)) -> found[i] = 1; was[i] = line[of(o, i)].state; was_by[i] = line[of(o, i)].by
            :: else
            fi
        }
        printf("|%d|reads order %d, whose stock is due\n", me, o + 1)
#if UNGUARDED_CLAIM
    };
    atomic {                            /* with the guard, others can come in between only to make the write fail */
#else
        ;
#endif
                                        /* claims.claim_due: and claims what it saw, if that is still so */
        if
        :: UNGUARDED_CLAIM || (as_found(first(o), 0) && as_found(last(o), LINES - 1)) ->
            for (i : 0 .. LINES - 1) {
                if
                :: found[i] && was_by[i] != 0 && repeatable ->
                    line[of(o, i)].state = was[i]; put_under_attempt(of(o, i)); repeats[i] = 1
                :: found[i] && was_by[i] != 0 && !repeatable -> set_line(of(o, i), unknown)
                :: found[i] && was_by[i] == 0 && was[i] == reserving -> set_line(of(o, i), none)
                :: found[i] && was_by[i] == 0 && was[i] == releasing ->
                    line[of(o, i)].state = was[i]; put_under_attempt(of(o, i))
                :: !found[i]
                fi
            }
            printf("|%d|claims what is due of order %d\n", me, o + 1);
            look()
        :: else -> printf("|%d|finds order %d changed, and leaves it\n", me, o + 1); goto stop
        fi;
        for (i : 0 .. LINES - 1) { found[i] = 0; was[i] = 0; was_by[i] = 0 }
        if
        :: failed_claims > 0 -> claim_fails(!(repeats[0] || repeats[LINES - 1])); goto stop
        :: true
        fi
    };

call_inventory:                                   /* inventory_calls.call_inventory: one call a line, those of one product one after the other */
    atomic {
        do
        :: l < LINES && !mine[l] -> l++
        :: l < LINES && mine[l] && keep && locked -> said[l] = not_sent; l++    /* one before it is unknown */
        :: else -> break
        od
    };
    if
    :: l == LINES && SIDE_BY_SIDE && !all_sent -> all_sent = 1; l = 0; goto wait
    :: l == LINES && (!SIDE_BY_SIDE || all_sent) -> goto record_outcomes
    :: l < LINES && LOCKS && !locked -> goto take_lock
    :: l < LINES && (!LOCKS || locked) -> goto ask
    fi;

take_lock:                              /* one find_and_modify: if it is free, or its lease has ended */
    atomic {
        if
        :: lock[my_product] == 0 ->
            lock[my_product] = me; locked = 1; take_token();
            printf("|%d|takes the lock of product %d\n", me, my_product + 1)
        :: lock[my_product] != 0 ->
            said[l] = not_sent;
            printf("|%d|does not get the lock of product %d in time\n", me, my_product + 1);
            goto next
        :: crashes > 0 -> crashes--; goto dies
        fi
    };
ask:                                    /* http.write: nothing is sent with too little time left */
    atomic {
        if
        :: may_send -> send()
        :: may_send && pauses > 0 -> pauses--;
            printf("|%d|sees that there is time enough to send, and is paused\n", me);
            goto paused
        :: !may_send -> not_now(); printf("|%d|has too little time left, and does not send\n", me); goto heard
        :: unsent > 0 -> unsent--; not_now(); printf("|%d|gets no connection\n", me); goto heard
        :: crashes > 0 -> crashes--; goto dies
        fi
    };
    if
    :: SIDE_BY_SIDE -> goto next
    :: else -> goto wait
    fi;
paused:
    true;
    atomic { send() };
wait:                                   /* … and each answer is waited for */
    atomic {
        if
        :: asked[l] == NOBODY
        :: asked[l] != NOBODY && call[asked[l]].at == answered -> hear()
        :: asked[l] != NOBODY && losses > 0 -> losses--; wait_in_vain()
        :: asked[l] != NOBODY && crashes > 0 -> crashes--; goto dies
        fi
    };
heard:
    if
    :: retry_now -> retried = 1; goto ask
    :: !retry_now && locked && !more_of_product -> goto give_back
    :: !retry_now && !(locked && !more_of_product) -> goto next
    fi;
give_back:                              /* the lock, unless the call may still be at work */
    atomic {
        if
        :: give_lock_back()
        :: crashes > 0 -> crashes--; goto dies
        fi
    };
next:
    atomic { l++; retried = 0 };
    if
    :: all_sent && l < LINES -> goto wait
    :: else -> goto call_inventory
    fi;

record_outcomes:                                 /* reservation._place and inventory_calls.record_outcomes: guarded by the attempt */
    atomic {
        if
        :: crashes > 0 -> crashes--; goto dies
        :: all_done && (held_by_me || UNGUARDED_PLACE) ->
            status[o] = pending;
            for (i : 0 .. LINES - 1) { set_line(of(o, i), reserved) }
            printf("|%d|writes order %d placed\n", me, o + 1);
            look(); goto stop
        :: held_by_me && !all_done ->
            for (i : 0 .. LINES - 1) {
                if
                :: mine[i] -> set_by_outcome(of(o, i), i)
                :: else
                fi
            }
            printf("|%d|writes what became of the lines of order %d\n", me, o + 1);
            look()
        :: !held_by_me && !(all_done && UNGUARDED_PLACE) ->
            printf("|%d|finds order %d claimed by another, and stops\n", me, o + 1); goto stop
        fi;
        forget()
    };

reject_draft:                              /* claims.reject_draft: a draft without an open reservation is rejected */
    atomic {
        if
        :: crashes > 0 -> crashes--; goto dies
        :: status[o] == placing && line[first(o)].state != reserving && line[last(o)].state != reserving ->
            status[o] = rejected;
            for (i : 0 .. LINES - 1) {
                if
                :: line[of(o, i)].state == reserved -> line[of(o, i)].state = releasing; put_under_attempt(of(o, i))
                :: else
                fi
            }
            printf("|%d|writes order %d rejected, what is reserved of it under an attempt\n", me, o + 1);
            look();
            if
            :: failed_claims > 0 -> claim_fails(true); goto stop
            :: goto call_inventory
            fi
        :: else -> goto stop
        fi
    };

dies:
    atomic {
        printf("|%d|dies\n", me);
        for (i : 0 .. CALLS - 1) {
            if
            :: call[i].caller == me && at_work(i) -> call[i].caller = 0
            :: call[i].caller == me && call[i].at == answered -> free_call(i)
            :: else
            fi
        }
    };
stop:                                   /* a worker goes on, be it as another process */
    atomic {
        forget(); drop_token();
        for (i : 0 .. LINES - 1) { found[i] = 0; was[i] = 0; was_by[i] = 0 }
        o = 0;
        if
        :: is_worker -> goto settle_due
        :: else
        fi
    }
}

/* --- Inventory ------------------------------------------------------------------------------------------------------- */

#define line_of call[c].line
#define row product(call[c].line)
#if FENCING
#define too_old (call[c].token < seen[row])
#else
#define too_old false
#endif
#define known (KEYS && (call[c].release -> releases[line_of] : reserves[line_of]) > 0)

inline reply(what) {
    call[c].answer = what;
    if
    :: call[c].caller == 0 -> free_call(c)
    :: else -> call[c].at = answered; call[c].sender = 0; call[c].late = 0
    fi
}

inline wrote() {
    printf("|0|writes the row for call %d: %d available, %d reserved\n", c + 1, available[row], held[row]);
    no_update_is_lost(row);
    reply(done);
    look()
}

inline write_row() {
    if
    :: FENCING == 2 && too_old -> printf("|0|refuses to write for call %d: its lock is over\n", c + 1); reply(not_sent)
    :: !(FENCING == 2 && too_old) && !call[c].release && call[c].available == 0 ->
        printf("|0|refuses call %d: nothing is available\n", c + 1); reply(refused)
    :: !(FENCING == 2 && too_old) && call[c].release && call[c].held == 0 ->
        printf("|0|releases nothing for call %d: nothing is reserved\n", c + 1);
        assert(false)                                   /* it would give away what is another's, or nobody's */
    :: !(FENCING == 2 && too_old) && !call[c].release && call[c].available > 0 ->
        available[row] = call[c].available - 1; held[row] = call[c].held + 1; reserves[line_of]++;
        wrote()
    :: !(FENCING == 2 && too_old) && call[c].release && call[c].held > 0 ->
        available[row] = call[c].available + 1; held[row] = call[c].held - 1; releases[line_of]++;
        wrote()
    fi
}

/* What reads a row, and then writes absolute numbers; where it is not atomic, anybody may come in between. */
proctype Inventory(byte c) {
end_without_a_call:
    do
    :: atomic { call[c].at == sent ->
        if
        :: too_old -> printf("|0|refuses call %d: its lock is over\n", c + 1); reply(not_sent)
        :: !too_old && known -> printf("|0|knows the key of call %d, and answers as before\n", c + 1); reply(done)
        :: !too_old && !known ->
            call[c].at = read; call[c].available = available[row]; call[c].held = held[row];
#if FENCING
            seen[row] = call[c].token;
#endif
            printf("|0|reads the row for call %d: %d available, %d reserved\n", c + 1, available[row], held[row])
        fi;
        if
        :: ATOMIC && call[c].at == read -> write_row()
        :: else
        fi }
    :: atomic { call[c].at == read -> write_row() }
    od
}

/* --- Leases end ------------------------------------------------------------------------------------------------------ */

/* At any moment, but not while a call that was sent under them is at work: inventory is done with a call before that, since
 * nothing is sent with too little left. The attempts of one process end together. */
#define at_most(n, limit) (n < limit -> n : 0)
#define claimed_by(q, n) (n < ALL && line[at_most(n, ALL)].by == q && line[at_most(n, ALL)].runs)
#define has_claims(q) (lease[q] || claimed_by(q, 0) || claimed_by(q, 1) || claimed_by(q, 2) || claimed_by(q, 3))
#define sent_by(q, c) (c < CALLS && at_work(at_most(c, CALLS)) && call[at_most(c, CALLS)].sender == q && \
    !call[at_most(c, CALLS)].late)
#define under_claim(q, c) (sent_by(q, c) && line[call[at_most(c, CALLS)].line].by == q)
#define under_lock(p, c) (sent_by(lock[p], c) && product(call[at_most(c, CALLS)].line) == p)
#define any_under_claim(q) (under_claim(q, 0) || under_claim(q, 1) || under_claim(q, 2) || under_claim(q, 3) || \
    under_claim(q, 4) || under_claim(q, 5) || under_claim(q, 6) || under_claim(q, 7))
#define any_under_lock(p) (under_lock(p, 0) || under_lock(p, 1) || under_lock(p, 2) || under_lock(p, 3) || \
    under_lock(p, 4) || under_lock(p, 5) || under_lock(p, 6) || under_lock(p, 7))

inline end_claims(q) {
    lease[q] = 0;
    for (i : 0 .. ALL - 1) {
        if
        :: line[i].by == q -> line[i].runs = 0
        :: else
        fi
    }
    printf("|%d|is out of time: its lease has ended\n", q)
}

proctype Claims(byte q) {
end_of_claims:
    do
    :: d_step { has_claims(q) && !any_under_claim(q) -> end_claims(q) }
    :: d_step { has_claims(q) && any_under_claim(q) && overlong > 0 -> overlong--; end_claims(q) }
    od
}

proctype Locks(byte p) {
end_of_locks:
    do
    :: d_step { lock[p] != 0 && !any_under_lock(p) ->
        printf("|%d|loses the lock of product %d: its lease has ended\n", lock[p], p + 1); lock[p] = 0 }
    :: d_step { lock[p] != 0 && any_under_lock(p) && overlong > 0 -> overlong--;
        printf("|%d|loses the lock of product %d: its lease has ended\n", lock[p], p + 1); lock[p] = 0 }
    od
}

/* When nobody can do anything any more, nothing is owed. */
active proctype Judge() {
    d_step { timeout ->
        for (i : 0 .. ALL - 1) { assert(!owed(i)) }
        for (i : 0 .. ORDERS - 1) { assert(status[i] != placing) } }
}

init {
    atomic {
        assert(LINES <= 2 && ORDERS <= 3 && ALL <= 4 && PEOPLE <= 6 && CALLS <= 8);
        for (i : 0 .. ORDERS - 1) { status[i] = no_order }
        for (i : 0 .. ALL - 1) { line[i].state = none }
        for (i : 0 .. PRODUCTS - 1) { available[i] = STOCK }
        for (i : 0 .. CALLS - 1) { call[i].at = nowhere; call[i].answer = nothing; run Inventory(i) }
        for (i : 1 .. PEOPLE) { run Process(i); run Claims(i) }
        for (i : 0 .. PRODUCTS - 1) { run Locks(i) }
    }
}
