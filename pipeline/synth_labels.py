"""What consoles write on images that identifies nobody: settings, scales, sides, measurements, sequence names.

Written from general knowledge of scanners' screens, not from the vocabulary of `transforms.text`, whose judgement they measure.
"""

from __future__ import annotations

import random

_ULTRASOUND = (
    "MI {b}|TIS{b}|TIB {b}|TIs {b}|C5-1|L12-3|S5-1|{a}Hz|{d}cm|2D|HGen|Gn {a}|C {a}|3/3/3|P Med|P Low|HPen|Res|CF|{a}%|"
    "WF {c}Hz|{b}MHz|Color|SV{b}mm|M3|M2 M4|+{a}.{e} cm/s|-{a}.{e}|Dist {b} cm|Abd Gen|Vasc Car|Adult Echo|FR {a}Hz|RS|Z {b}|"
    "HR {a}bpm|CPA {a}%|Vel {c}.{e} cm/s|PG {a} mmHg",
    "Gn {a}|Frq {b}|S/A 2/1|Map E/0|D {d}.0|DR {a}|AO% 100|FR {a}|CHI|PRF {b}|WF {a}|SV {e}|SVD {b}|CrossBeam|TIs {b}|MI {b}|"
    "4C-D|9L-D|Rt Kidney|LONG|TRV|SAG|B|CF|PW|1 L {b} cm|2 D {b} mm|EFW {c}0g|GA {d}w{e}d|BPD {b} cm|HC {d}.{e} cm|FL {a} mm|"
    "PSV {a}.{e} cm/s|EDV {d}.{e} cm/s|RI 0.{a}",
    "TIS: {b}|TIB: {b}|{a}fps|2D--{a}%|THI|H{b}0 MHz|{d}dB/DR{a}|SC {e}|DTCE M|MapE/ST{e}|6C1 HD|General|14L5|PRF {c}0 Hz|"
    "F:{e}|Vol {a} ml|EF {a}%|LVIDd {b} cm|LVOT Diam {b} cm|Ao Root|MV E/A {b}|TR Vmax {b} m/s",
    "T{b}|IP{e}|DiffT {b}|Precision|APure {e}|2DG {a}|DR {a}|CF {b}|Filter {e}|PRF {b}k|Qscan|Zoom {b}|F H{b}|G {a}|"
    "iClear {e}|iBeam {e}|AP {a}.{e}%|Harm|Pwr {a}|Persist {e}|TGC|Focus {b} cm|Area {b} cm2|Freeze|Post Thal|Liver Rt Lobe|"
    "GB Long|Thyroid Lt Trans|Depth {d} cm|Frame Rate {a}",
)
_TOMOGRAPHY = (
    "kV {f}|mA {c}|{b}mm/1.375:1|Tilt {b}|DFOV {a}.0cm|STND/SS30|{b} s|HE {a}.{e}mm/rot|512x512|Se: {e}|Im: {a}+C|"
    "OM S{a}.{e}|I {a}.{e}0|A {c}|P {c}|R {c}|L {c}|W = {c} L = {a}|No VOI|Mag {b}x|Noise Index {d}",
    "KV {f}|mAs {c}|TI {b}|GT 0.0|SL {b}|B30f|I31f 3|FoV {c}*{c}|THORAX {b} B31f|SP H{a}.{e}|SP F-{a}.{e}|W {c}|C {a}|"
    "512*512|CARE Dose4D|SIEMENS|HFS|CTDIvol {b} mGy|DLP {c} mGycm|ABDOMEN VENOUS PHASE|Pitch {b}|Scout 1",
    "FC{a}|{c}.0 mm|+CE|Zoom {c}%|C: {a}, W: {c}|TH {b}0|Vol. {e}|BONE|LUNG|Slice {a}|FBP|IR {e}|{f} kVp|{c} mA|Rot {b} s|"
    "AX {a}.{e}|COR MPR|SAG MIP|3D VR|ORBIT W/O CONTRAST|HEAD ROUTINE",
)
_RESONANCE = (
    "TR {c}0.0|TE {a}.0|TA 0{e}:{d}|BW {c}.0|tse2d1_9|*tse2d1_{d}|t2_tse_sag|t1_fl3d_tra_vibe|ep2d_diff_trace_p2|FA {f}|"
    "SL {b}|FoV {c}*{c}|320*256s|Sag>Cor2.1|SP L{a}.{e}|Tra>Cor(-12.4)|PAT{e}|HEA;HEP|A>>P|TI {c}",
    "FSE-XL/90|TR:{c}0|TE:{a}/Ef|EC:1/1 {a}.{e}kHz|FOV:{d}x{d}|{b}thk/1.{e}sp|320X224/2.00 NEX|ETL:{d}|Ax T2 FLAIR|"
    "Sag T1 FSE|3D SPGR|DWI b={c}0|ADC|NEX {e}",
    "FFE/M|T2W_TSE|sDW_SSh|TFE|SENSE|b={c}0|eTHRIVE|RFOV {a}%|STIR LONGTE|T1W SE|3D TOF|mDIXON-W|Slice {a}/{c}|Gap {b}|RL|AP|FH|SURVEY",
)
_PROJECTION = (
    "R|L|PA|AP|LAT|ERECT|PORTABLE|SUPINE|AP UPRIGHT|Semi-erect|EI {c}|DI -0.{e}|LgM {b}|S={c}|L={b}|SID {c} cm|{f} kVp|"
    "{b} mAs|AEC|GRID|REX {c}|EXP INSP|Decub Left|WEIGHT BEARING|OBLIQUE",
    "R CC|L MLO|RMLO|LCC|RXCCL|{a} kVp|{c} mAs|W/Rh|Mo/Mo|CBT: {a} mm|Compression {d}.{e} daN|{c} N|45°|AGD {b} mGy|MAG 1.8|"
    "Implant Disp.|SPOT|Thickness {a} mm|Angle {a}",
    "LAO {a}|CAU {a}|RAO {a}.{e}°|CRAN {d}°|{d} f/s|FD {d} cm|{f} kV {c} mA {e} ms|Run {e}|Frame {d}/{a}|LV|RCA|LCA|"
    "STENOSIS {a}%|MLD {b}|DSA|Mask {e}|Fluoro|DAP {c} dGycm2|Contrast {d} ml",
    "SUV {b}|kcnts {c}|ANT|POST|RLAT|F-18 FDG|Tc99m MDP|Max {d}.{e} g/ml|bed {e}|Z={b}|Stress|Rest|SA|HLA|VLA|Gated|CTAC|NAC|"
    "MIP|Bq/ml|Invert",
)
_COMMON = (
    "R|L|A|P|H|F|{d} cm|{b} mm|{a}%|Im: {a}/{c}|Image {a} of {c}|Zoom {c}%|W {c}0 L {a}|W: {c} L: -{a}|Lossy 10:1|"
    "NOT FOR DIAGNOSIS|{a}/{c}|Page 1/3|Series {e}|Scale 1:{e}|x{b}|+ {b} cm|1: {b} mm"
)
CONSOLES = tuple(tuple(labels.split("|")) for labels in (*_ULTRASOUND, *_TOMOGRAPHY, *_RESONANCE, *_PROJECTION))
COMMON = tuple(_COMMON.split("|"))


def technical_labels(rng: random.Random) -> list[str]:
    """Labels of one console and some that all have, in any order."""
    labels = [*rng.choice(CONSOLES), *rng.sample(COMMON, 8)]
    rng.shuffle(labels)
    return [_filled(rng, label) for label in labels]


def scale(rng: random.Random) -> list[str]:
    """The numbers beside a ruler, from 0 on in equal steps."""
    step = rng.choice((1, 2, 5, 10, 20))
    return [str(step * number) for number in range(rng.randint(4, 7))]


def _filled(rng: random.Random, label: str) -> str:
    """Numbers: ``a`` has two digits, ``b`` is below ten, ``c`` has three digits, ``d`` 10 to 30, ``e`` one digit, ``f`` a tube's kV."""
    return label.format(
        a=rng.randint(20, 98),
        b=f"{rng.uniform(0.2, 9.8):.1f}",
        c=rng.randint(100, 980),
        d=rng.randint(10, 30),
        e=rng.randint(1, 9),
        f=rng.choice((80, 100, 110, 120, 130, 140)),
    )
