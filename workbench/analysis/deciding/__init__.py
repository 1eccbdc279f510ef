"""The rule of the verdict: when one looks at the pairs, which word follows, and what more pairs would bring.

**The question.** A comparison's paired differences d (variant minus baseline, lower is better) have a
true mean that lies within the margin or beyond it. *Better* and *worse* say that it lies beyond,
*equivalent* that it lies within. Two promises are made, for all comparisons that a study declared
together:

* any false better or worse: at most 5 % (two-sided);
* any false equivalent: at most 5 % (two one-sided tests; Schuirmann 1987).

**A fixed number of pairs.** Both p values of a comparison follow from the distance of its mean to the
nearer border of the margin, and each family is held together by Holm's procedure (Holm 1979). The
interval that is shown is at the level of the step that decided, so that the word follows from it.

**Until decided.** One looks at 4, 8, 16, 32 and 64 pairs, cut at ``at_most`` and begun at ``at_least``,
and each comparison stops at the first look that decides it. Every look of a comparison has the same
nominal level (Pocock 1977), smaller than the error that is promised; ``nominal_levels`` has the table and
``level_simulation`` makes it. The interval that is shown has that level, such as 98.8 %.

Holm's steps go across looks (group-sequential Holm: Ye et al. 2013, Statistics in Medicine 32:1112;
Maurer and Bretz 2013, Statistics in Biopharmaceutical Research 5:311). With k places, a comparison's
looks together have an error of 5 % / k; a decided one gives its place up, and the others are tested at
their present look with the larger share. Each step tests what is known at a comparison's last complete
look only. That keeps the family's error whatever the dependence, since any set of true hypotheses is
tested at 5 % / its size each, and a nominal level grows with its share; and what was decided stays so, as
its pairs do not change and shares only grow.

Nothing in this asks that comparisons are looked at together. A comparison's pairs at a look are the same
whenever they are trained, and its looks together cross their levels with an error of 5 % / k on whichever
day another one gives its place up; one that has no pairs yet holds its place. So a first look may be taken
while other variants are still tuned: k counts all that were declared, and what is decided then stays so. The
driver takes no later look before all had their first (``driver/first_looks``), so that those who wait for a
place lose none: at its second look a comparison has all that the first looks of others could give it, and
the words of a study do not depend on the order in which its trials ended.

What is *not* proved so is that a comparison which one family decided also passes on its share of the
other: one that is worse will not be called equivalent any more, so that others may use what it no longer
needs. With all of it passed on, two comparisons at opposite borders had up to 5.3 % of false
equivalences, the more the larger the part of the noise that is their common baseline's: a false "better"
of the one goes with a low mean of the other. Equivalence therefore begins with 4.5 % instead of 5 % where
there is more than one comparison (``ACROSS_ALPHA``), which keeps all truths that were simulated at or
below 5 % (tests/analysis/deciding). Better and worse need no such reserve: at a border only one of their
two sides is false, so that they stay below 4 %. With a fixed number of pairs each family keeps its own
shares, and all of its 5 %. Neither is a word in the wrong direction covered for arbitrary dependence
(Shaffer 1980 proves it for independent statistics); it is among the errors that are simulated.

**At the margin.** From 8 pairs on, a comparison whose chance of any verdict by ``at_most`` is below 20 %
stops with this word (``foresight``), and so does one that the last look leaves undecided: no number of
pairs that was declared affordable is likely to decide it. It is no claim about the truth, takes no share
and gives none up, and it is asked again where others pass their shares on. Stopping early can only lower
both errors.

**Modules.** ``looks``: the rule, declared beforehand. ``steps``: the words at one look, for any number of
studies at once. ``decisions``: those of one study, with intervals and remarks. ``foresight``: chances and
pairs needed. ``belief``: P(better), P(equal), P(worse). ``simulated_studies``: what the words are worth.
``design_chances``: what a study that has not run will say.

All of this takes differences to be normal. For skewed ones t intervals promise too much; what is said of
that stands beside the word, not here.
"""
