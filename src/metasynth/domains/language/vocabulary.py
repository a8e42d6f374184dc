"""The words of the small domains: themes with their things, places, people and doings, and names.

Every noun has a regular plural that contains the singular, so that a keyword can be looked for in
a text by plain search. No item, place or detail belongs to two themes, so that one word is enough
to know the theme.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_MEN = """Adam Alan Alex Anton Arthur Ben Boris Bruno Carl Caleb Cyrus Dan Dario David Dexter Diego
Edgar Eli Emil Erik Ethan Felix Finn Frank Fred Gavin George Hans Harry Henry Hugo Ian Isaac Ivan
Jack Jacob James Jonas Karl Kenji Kurt Leo Liam Louis Lucas Mark Martin Max Milo Nate Noah Oliver
Omar Oscar Otto Owen Paul Peter Ravi Remy Robin Roman Samir Simon Theo Tom Victor Walter"""
_WOMEN = """Ada Alice Amara Amy Anna Astrid Bella Beth Carla Cleo Clara Daisy Dana Diana Edith Ella
Elsa Emma Erin Eva Faye Fiona Freya Gina Grace Greta Hana Hazel Helen Ida Ines Iris Ivy Jane Jill
Joan Judy Julia Kate Kira Lara Laura Lena Lily Lucy Luna Maria Martha Maya Mia Mina Nadia Nina Nora
Olga Olive Paula Petra Priya Rita Rosa Ruth Sara Sofia Stella Tara Tess Vera Wanda Yara Zoe"""

# name | places | items | details | personas | gains | losses
_THEMES = """
bakery | in bakery, in bakehouse, at counter, in pantry | roll muffin bagel pretzel tart bun
biscuit croissant | oven apron whisk recipe dough tray | a baker, a pastry cook | bake {n} more
{items}; take {n} more {items} from the oven; glaze {n} more {items} | burn {n} {items}; sell {n}
{items} to a hungry customer; drop {n} {items} on the floor

garden | in garden, in greenhouse, on lawn, in orchard | tulip rose pumpkin carrot onion apple
melon turnip | rake sprinkler hedge compost shovel fountain | a gardener, a keen grower | pick {n}
more {items}; dig up {n} more {items}; grow {n} more {items} | lose {n} {items} to the frost;
plant {n} {items} for a neighbour; throw {n} rotten {items} away

farm | on farm, in barn, on meadow, in stable | egg pear lamb hen goat duck piglet bucket |
tractor fence silo scarecrow pump wagon | a farmer, a farm hand | carry {n} more {items} into the
yard; bring {n} more {items} from the next farm; unload {n} more {items} | trade {n} {items} away;
sell {n} {items} to a farmer; let a neighbour take {n} {items}

library | in library, in archive, in bookmobile, at bookshop | book newspaper novel comic map
magazine bookmark album | shelf catalogue ladder librarian lantern stamp
| a librarian, a bookseller |
put {n} more {items} on the shelf; repair {n} more {items}; catalogue {n} more {items} | lend {n}
{items} to a reader; return {n} {items} to the archive; misplace {n} {items}

school | at school, in classroom, in schoolyard, in gym | pencil eraser crayon notebook ruler
marker folder sticker | blackboard timetable bell lesson locker globe | a teacher, a pupil | win
{n} more {items} in a quiz; sharpen {n} more {items}; fetch {n} more {items} from the cupboard |
hand out {n} {items} to the class; break {n} {items}; leave {n} {items} at home

harbour | at harbour, on pier, at lighthouse, on boat | rope anchor buoy net oar sail crab lobster
| tide ferry crane captain gull compass | a fisher, a sailor | haul in {n} more {items}; load {n}
more {items} onto the boat; pull {n} more {items} from the water | lose {n} {items} in the storm;
drop {n} {items} into the water; unload {n} {items} at the pier

space | on moonbase, in observatory, at launchpad, in dome | probe helmet panel sensor antenna
rover satellite telescope | comet orbit airlock crater engine signal | an astronaut, an astronomer
| build {n} more {items}; receive {n} more {items} by rocket; assemble {n} more {items} | send {n}
{items} into orbit; scrap {n} {items}; lose {n} {items} to a meteor

kitchen | in kitchen, at restaurant, in canteen, at stove | plate fork spoon pan bowl pancake
dumpling sausage | menu sauce freezer chef spice kettle | a cook, a waiter | wash {n} more
{items}; prepare {n} more {items}; order {n} more {items} for dinner | serve {n} {items} to a
guest; spoil {n} {items}; send {n} {items} back

market | at market, at stall, on square, in warehouse | lemon orange peach mango coconut cabbage
basket crate | merchant scale bargain awning barrow receipt | a merchant, a trader | stack {n}
more {items}; trade for {n} more {items}; unpack {n} more {items} | sell {n} {items} to a
customer; give away {n} bruised {items}; deliver {n} {items} to a shop

museum | in museum, in gallery, in hall, in vault | vase statue painting fossil mask shield crown
medal | curator ticket exhibit pedestal guide tapestry | a curator, a museum guide | unpack {n}
more {items} for the show; restore {n} more {items}; put {n} more {items} on display | lend {n}
{items} to another museum; move {n} {items} to the cellar; ship {n} {items} abroad

zoo | at zoo, in aviary, in aquarium, at pond | parrot turtle penguin lizard otter lemur flamingo
seal | keeper feeder visitor enclosure vet perch | a zookeeper, an animal vet | welcome {n} more
{items}; raise {n} more {items}; rescue {n} more {items} | send {n} {items} to another zoo; move
{n} {items} to the next cage; return {n} {items} to the wild

workshop | in workshop, in garage, at workbench, in shed | nail screw hammer bolt hinge plank saw
wrench | toolbox vice sawdust glue blueprint drill | a carpenter, a mechanic | forge {n} more
{items}; take {n} more {items} out of the toolbox; clean {n} more {items} | bend {n} {items}; use
up {n} {items}; leave {n} {items} on a roof

music | in studio, on stage, at concert, in bandroom | violin drum guitar flute trumpet cello horn
harp | melody conductor choir rhythm microphone curtain | a musician, a piano teacher | tune {n}
more {items}; rent {n} more {items}; bring {n} more {items} to the show | lend {n} {items} to the
choir; damage {n} {items}; sell {n} {items} to a band

sports | in stadium, on pitch, in clubhouse, on track | ball jersey whistle racket trophy glove
bat skate | referee coach scoreboard goalkeeper stopwatch bench | a coach, a goalkeeper | win {n}
more {items}; mend {n} more {items}; bring {n} more {items} to the game | give {n} {items} to the
fans; hand {n} {items} to the team; wear out {n} {items}

beach | on beach, on dune, at lagoon, on island | shell pebble kite towel starfish sunhat parasol
surfboard | wave lifeguard sandcastle umbrella driftwood breeze | a lifeguard, a surfer | gather
{n} more {items}; bring home {n} more {items}; dig {n} more {items} out of the sand | lose {n}
{items} to the waves; bury {n} {items} in the sand; give {n} {items} to a child

forest | in forest, in cabin, in clearing, on trail | acorn mushroom pinecone log feather chestnut
fern twig | squirrel campfire owl axe moss stream | a ranger, a hiker | gather {n} more {items};
pick up {n} more {items} under a tree; carry {n} more {items} to the cabin | burn {n} {items} in
the fire; drop {n} {items} on the trail; leave {n} {items} for the squirrels

hospital | in hospital, at clinic, in pharmacy, on ward | bandage pill swab syringe blanket pillow
thermometer crutch | nurse doctor patient stretcher ambulance chart | a nurse, a doctor | unpack
{n} more {items} for the ward; order {n} more {items} for the clinic; fetch {n} more {items} from
storage | hand {n} {items} to a patient; use {n} {items} on the ward; throw {n} torn {items} away

train | at station, on platform, in depot, on train | bag suitcase wheel parcel trunk backpack
bicycle seat | locomotive rail tunnel guard bridge clock | a train driver, a conductor | load {n}
more {items}; check {n} more {items}; carry {n} more {items} on board | unload {n} {items} at the
next stop; leave {n} {items} on the train; send {n} {items} by freight

office | in office, at desk, in basement, in lobby | stapler envelope letter pen binder paperclip
badge lamp | meeting elevator telephone secretary deadline calendar | a clerk, an accountant |
order {n} more {items}; collect {n} more {items}; take {n} more {items} from the drawer | mail {n}
{items} to a client; hand {n} {items} to a colleague; recycle {n} {items}

castle | in castle, in tower, at gate, in dungeon | sword candle torch banner goblet arrow key
jewel | dragon knight drawbridge throne moat queen | a knight, a castle guard | win {n} more
{items} at the tournament; polish {n} more {items}; find {n} more {items} in the dungeon | give
{n} {items} to a knight; lose {n} {items} in the moat; hide {n} {items} from the dragon

toyshop | in toyshop, in playroom, at fair, in attic | puppet marble robot doll balloon puzzle
rattle dollhouse | puppeteer carousel spinner ribbon clown kaleidoscope | a toymaker, a shopkeeper
| carve {n} more {items}; paint {n} more {items}; wrap {n} more {items} | sell {n} {items} to a
child; lose {n} {items} under the stairs; donate {n} {items} to a kindergarten

laboratory | in laboratory, in institute, at academy, in cleanroom | flask magnet lens crystal
microscope sample filter beaker | experiment formula professor burner centrifuge chalkboard | a
chemist, a physicist | measure {n} more {items}; label {n} more {items}; order {n} more {items}
for the experiment | crack {n} {items}; use {n} {items} in a test; send {n} {items} to another
team

theatre | in theatre, on balcony, in wardrobe, in foyer | costume wig hat necklace poster fan cape
slipper | actor spotlight script audience rehearsal orchestra | an actor, a stage designer | sew
{n} more {items}; borrow {n} more {items} from the opera; hang up {n} more {items} | tear {n}
{items}; lend {n} {items} to an actor; sell {n} {items} after the show

camp | at camp, in tent, at lakeside, on hill | tin flashlight rucksack peg bottle marshmallow
mattress canoe | raccoon hammock firewood scout trailhead cookpot | a scout, a camp leader | pack
{n} more {items}; find {n} more {items} in the tent; fetch {n} more {items} from the car | forget
{n} {items} by the lake; share {n} {items} with the scouts; lose {n} {items} on the hill

bank | in bank, in mint, in treasury, at till | banknote cheque diamond token voucher pearl coin
pouch | safe teller alarm loan ledger invoice | a banker, a bank teller | earn {n} more {items};
receive {n} more {items} from a client; take {n} more {items} from the safe | pay out {n} {items};
spend {n} {items} on repairs; set aside {n} {items} for a client

tailor | at atelier, in laundry, in boutique, in mill | button shirt sock scarf zipper coat vest
mitten | needle thread iron loom mannequin pattern | a tailor, a weaver | sew {n} more {items};
hem {n} more {items}; iron {n} more {items} | ship {n} {items} to a customer; stain {n} {items};
cut up {n} {items}
"""


@dataclass(frozen=True, slots=True)
class Theme:
    """One world to write about."""

    name: str
    places: tuple[str, ...]  # with their preposition: "in the garden"
    items: tuple[str, ...]  # singular
    details: tuple[str, ...]
    personas: tuple[str, ...]  # with their article
    gains: tuple[str, ...]  # verb phrases in the base form, with {n} and {items}
    losses: tuple[str, ...]


def _theme(entry: str) -> Theme:
    name, places, items, details, personas, gains, losses = (
        " ".join(part.split()) for part in entry.split("|")
    )
    return Theme(
        name,
        tuple(" the ".join(place.split()) for place in places.split(", ")),
        tuple(items.split()),
        tuple(details.split()),
        tuple(personas.split(", ")),
        tuple(gains.split("; ")),
        tuple(losses.split("; ")),
    )


MEN = tuple(_MEN.split())
WOMEN = tuple(_WOMEN.split())
NAMES = MEN + WOMEN
THEMES: Mapping[str, Theme] = MappingProxyType(
    {theme.name: theme for theme in map(_theme, _THEMES.split("\n\n"))}
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def plural(noun: str) -> str:
    """The regular plural of a noun."""
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def singular(noun: str) -> str:
    """The noun of a regular plural; words that are none come back as they are."""
    short = noun.removesuffix("s")
    shorter = noun.removesuffix("es")
    sibilant = noun.endswith(("sses", "xes", "ches", "shes"))
    return shorter if short not in THEME_OF and (sibilant or shorter in THEME_OF) else short


def pronoun(name: str) -> str | None:
    """`he` or `she` for a name that we know, else None: then the name is repeated."""
    if name in MEN:
        return "he"
    return "she" if name in WOMEN else None


def _owners() -> dict[str, str]:
    owners: dict[str, str] = {}
    for theme in THEMES.values():
        places = (place.split()[-1] for place in theme.places)
        for word in (*theme.items, *map(plural, theme.items), *places, *theme.details):
            if owners.setdefault(word, theme.name) != theme.name:
                raise AssertionError(f"{word} belongs to {owners[word]} and to {theme.name}")
        owners[theme.name] = theme.name
    return owners


THEME_OF: Mapping[str, str] = MappingProxyType(_owners())
"""Theme of every item (singular and plural), place and detail."""
PLACE_OF: Mapping[str, str] = MappingProxyType(
    {place.split()[-1]: place for theme in THEMES.values() for place in theme.places}
)
"""`garden` to `in the garden`."""

_PAST = {
    "bend": "bent", "break": "broke", "bring": "brought", "build": "built", "burn": "burned",
    "buy": "bought", "cut": "cut", "dig": "dug", "draw": "drew", "find": "found",
    "forget": "forgot",
    "get": "got", "give": "gave", "grow": "grew", "have": "had", "hide": "hid", "hold": "held",
    "keep": "kept", "leave": "left", "lend": "lent", "let": "let", "lose": "lost",
    "make": "made", "pay": "paid", "put": "put", "sell": "sold", "send": "sent", "sew": "sewed",
    "spend": "spent", "take": "took", "tear": "tore", "throw": "threw", "wear": "wore",
    "win": "won", "see": "saw", "come": "came", "go": "went",
    "drop": "dropped", "pump": "pumped", "ship": "shipped", "spot": "spotted", "wrap": "wrapped",
    "scrap": "scrapped", "set": "set", "hem": "hemmed", "hang": "hung", "swap": "swapped",
}  # fmt: skip


def present(verb: str) -> str:
    """Third person singular of a base form."""
    if verb.endswith(("s", "x", "ch", "sh", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return "has" if verb == "have" else verb + "s"


def past(verb: str) -> str:
    """Past tense of a base form."""
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied"
    return verb + ("d" if verb.endswith("e") else "ed")
