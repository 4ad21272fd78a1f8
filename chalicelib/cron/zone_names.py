"""Names of clocks that are not zones of their own, and the regions that are meant by them.

Windows' names are mapped as in the CLDR (windowsZones, territory 001). An abbreviation may be used in several
parts of the world; each is named.
"""

from __future__ import annotations

# In the machine's zone folder, but not zones of their own: copies, zones with leap seconds, this machine's
# setting.
NOT_ZONES = ("posix/", "right/", "posixrules", "localtime", "Factory")
_WINDOWS = """
Dateline=Etc/GMT+12|Aleutian=America/Adak|Hawaiian=Pacific/Honolulu
Marquesas=Pacific/Marquesas|Alaskan=America/Anchorage
Pacific Standard Time (Mexico)=America/Tijuana|Pacific=America/Los_Angeles|US Mountain=America/Phoenix
Mountain Standard Time (Mexico)=America/Mazatlan|Mountain=America/Denver|Yukon=America/Whitehorse
Central America=America/Guatemala|Central=America/Chicago|Easter Island=Pacific/Easter
Central Standard Time (Mexico)=America/Mexico_City|Canada Central=America/Regina|SA Pacific=America/Bogota
Eastern Standard Time (Mexico)=America/Cancun|Eastern=America/New_York|Haiti=America/Port-au-Prince
Cuba=America/Havana|US Eastern=America/Indiana/Indianapolis|Turks And Caicos=America/Grand_Turk
Paraguay=America/Asuncion|Atlantic=America/Halifax|Venezuela=America/Caracas
Central Brazilian=America/Cuiaba|SA Western=America/La_Paz|Pacific SA=America/Santiago
Newfoundland=America/St_Johns|Tocantins=America/Araguaina|E. South America=America/Sao_Paulo
SA Eastern=America/Cayenne|Argentina=America/Argentina/Buenos_Aires|Greenland=America/Nuuk
Montevideo=America/Montevideo|Magallanes=America/Punta_Arenas|Saint Pierre=America/Miquelon
Bahia=America/Bahia|Azores=Atlantic/Azores|Cape Verde=Atlantic/Cape_Verde
GMT=Europe/London|Greenwich=Atlantic/Reykjavik|Sao Tome=Africa/Sao_Tome|Morocco=Africa/Casablanca
W. Europe=Europe/Berlin|Central Europe=Europe/Budapest|Romance=Europe/Paris|Central European=Europe/Warsaw
W. Central Africa=Africa/Lagos|Jordan=Asia/Amman|GTB=Europe/Bucharest|Middle East=Asia/Beirut
Egypt=Africa/Cairo|E. Europe=Europe/Chisinau|Syria=Asia/Damascus|West Bank=Asia/Hebron
South Africa=Africa/Johannesburg|FLE=Europe/Kyiv|Israel=Asia/Jerusalem|South Sudan=Africa/Juba
Kaliningrad=Europe/Kaliningrad|Sudan=Africa/Khartoum|Libya=Africa/Tripoli|Namibia=Africa/Windhoek
Arabic=Asia/Baghdad|Turkey=Europe/Istanbul|Arab=Asia/Riyadh|Belarus=Europe/Minsk|Russian=Europe/Moscow
E. Africa=Africa/Nairobi|Iran=Asia/Tehran|Arabian=Asia/Dubai|Astrakhan=Europe/Astrakhan
Azerbaijan=Asia/Baku|Russia Time Zone 3=Europe/Samara|Mauritius=Indian/Mauritius|Saratov=Europe/Saratov
Georgian=Asia/Tbilisi|Volgograd=Europe/Volgograd|Caucasus=Asia/Yerevan|Afghanistan=Asia/Kabul
West Asia=Asia/Tashkent|Ekaterinburg=Asia/Yekaterinburg|Pakistan=Asia/Karachi|Qyzylorda=Asia/Qyzylorda
India=Asia/Kolkata|Sri Lanka=Asia/Colombo|Nepal=Asia/Kathmandu|Central Asia=Asia/Bishkek
Bangladesh=Asia/Dhaka|Omsk=Asia/Omsk|Myanmar=Asia/Yangon|SE Asia=Asia/Bangkok|Altai=Asia/Barnaul
W. Mongolia=Asia/Hovd|North Asia=Asia/Krasnoyarsk|N. Central Asia=Asia/Novosibirsk|Tomsk=Asia/Tomsk
China=Asia/Shanghai|North Asia East=Asia/Irkutsk|Singapore=Asia/Singapore|W. Australia=Australia/Perth
Taipei=Asia/Taipei|Ulaanbaatar=Asia/Ulaanbaatar|Aus Central W.=Australia/Eucla|Transbaikal=Asia/Chita
Tokyo=Asia/Tokyo|North Korea=Asia/Pyongyang|Korea=Asia/Seoul|Yakutsk=Asia/Yakutsk
Cen. Australia=Australia/Adelaide|AUS Central=Australia/Darwin|E. Australia=Australia/Brisbane
AUS Eastern=Australia/Sydney|West Pacific=Pacific/Port_Moresby|Tasmania=Australia/Hobart
Vladivostok=Asia/Vladivostok|Lord Howe=Australia/Lord_Howe|Bougainville=Pacific/Bougainville
Russia Time Zone 10=Asia/Srednekolymsk|Magadan=Asia/Magadan|Norfolk=Pacific/Norfolk
Sakhalin=Asia/Sakhalin|Central Pacific=Pacific/Guadalcanal|Russia Time Zone 11=Asia/Kamchatka
New Zealand=Pacific/Auckland|Fiji=Pacific/Fiji|Chatham Islands=Pacific/Chatham
Tonga=Pacific/Tongatapu|Samoa=Pacific/Apia|Line Islands=Pacific/Kiritimati
"""
_ABBREVIATIONS = """
PST America/Los_Angeles,Asia/Manila|PDT America/Los_Angeles|PT America/Los_Angeles|EDT America/New_York
ET America/New_York|CST America/Chicago,Asia/Shanghai,America/Havana|CDT America/Chicago,America/Havana
CT America/Chicago|MDT America/Denver|MT America/Denver|AKST America/Anchorage|AKDT America/Anchorage
AST America/Halifax,Asia/Riyadh|ADT America/Halifax|NST America/St_Johns|NDT America/St_Johns
HDT America/Adak|BRT America/Sao_Paulo|ART America/Argentina/Buenos_Aires|CLT America/Santiago
CLST America/Santiago|COT America/Bogota|PET America/Lima|VET America/Caracas|UYT America/Montevideo
BST Europe/London,Asia/Dhaka|WEST Europe/Lisbon|CEST Europe/Berlin|MESZ Europe/Berlin|MEZ Europe/Berlin
CETDST Europe/Berlin|EEST Europe/Athens,Europe/Helsinki|TRT Europe/Istanbul|MSK Europe/Moscow
MSD Europe/Moscow|SAMT Europe/Samara|YEKT Asia/Yekaterinburg|NOVT Asia/Novosibirsk|VLAT Asia/Vladivostok
IST Asia/Kolkata,Europe/Dublin,Asia/Jerusalem|IDT Asia/Jerusalem|GST Asia/Dubai|IRST Asia/Tehran
PKT Asia/Karachi|NPT Asia/Kathmandu|BDT Asia/Dhaka|MMT Asia/Yangon|ICT Asia/Bangkok|WIB Asia/Jakarta
WITA Asia/Makassar|WIT Asia/Jayapura|PHT Asia/Manila|SGT Asia/Singapore|MYT Asia/Kuala_Lumpur
HKT Asia/Hong_Kong|JST Asia/Tokyo|KST Asia/Seoul|AWST Australia/Perth|ACST Australia/Darwin
ACDT Australia/Adelaide|AEST Australia/Brisbane,Australia/Sydney|AEDT Australia/Sydney
NZST Pacific/Auckland|NZDT Pacific/Auckland|SST Pacific/Pago_Pago|CHST Pacific/Guam|SAST Africa/Johannesburg
CAT Africa/Maputo|EAT Africa/Nairobi|WAT Africa/Lagos
"""


def _pairs(text: str, between: str) -> dict[str, str]:
    entries = (entry.partition(between) for line in text.split("\n") if line for entry in line.split("|"))
    return {name.lower(): value for name, _, value in entries}


_by_windows = _pairs(_WINDOWS, "=")
_by_abbreviation = {name: tuple(regions.split(",")) for name, regions in _pairs(_ABBREVIATIONS, " ").items()}


def of_windows(name: str) -> str | None:
    """Return the IANA name for a zone of Windows, such as 'W. Europe Standard Time', or None."""
    lowered = " ".join(name.lower().split())
    short = lowered
    for ending in (" standard time", " daylight time", " summer time", " time"):
        short = short.removesuffix(ending)
    known = _by_windows.get(lowered)
    return known or (_by_windows.get(short) if short != lowered else None)


def of_abbreviation(name: str) -> tuple[str, ...]:
    """Return the regions whose clocks are abbreviated so; none if the abbreviation is not known."""
    return _by_abbreviation.get(name.lower(), ())
