"""Russian wordings, by message code; what follows a number is worded so that any number may stand there."""

from __future__ import annotations

RU: dict[str, str] = {
    "answer.chunks": "`{path}`: тело пришло по частям (chunked), и одна из них испорчена или оборвана",
    "answer.closed": "`{path}`: соединение закрыто без ответа",
    "answer.cut": "`{path}`: ответ оборвался: не хватает {missing} Б до длины, указанной в заголовке",
    "answer.empty": "`{path}`: тело ответа пустое{found}",
    "answer.key-missing": "`{path}`: в теле нет ключа `{key}`; есть: {found}",
    "answer.no-type": "`{path}`: в ответе нет `Content-Type`; ожидалось: {expected}",
    "answer.not-html": "`{path}`: тело начинается не с тега: {found}",
    "answer.not-http": "`{path}`: пришёл не ответ HTTP: {found}",
    "answer.not-json": "`{path}`: тело — не JSON: {found}",
    "answer.not-now": "`{path}`: `{key}` равно {found}; в момент запроса было {expected} (допуск {within} с)",
    "answer.not-object": "`{path}`: тело — JSON, но не объект: {found}",
    "answer.other-instant": (
        "`{path}`: `{key}` равно `{found}`; в поясе UTC{offset} момент из `{other}` — это `{expected}`"
    ),
    "answer.refused": "`{path}`: на порту {port} никто не слушал",
    "answer.status": "`{path}`: код ответа {found}; ожидалось: 200",
    "answer.timeout": "`{path}`: за {seconds} с полного ответа не было",
    "answer.too-large": "`{path}`: ответ больше {bytes} Б",
    "answer.twice": "`{path}`: заголовок `{header}` стоит в ответе дважды",
    "answer.type": "`{path}`: тип ответа `{found}`; ожидалось: {expected}",
    "answer.wrong-value": "`{path}`: `{key}` равно {found}; ожидалось: {expected}",
    "artifact.not-a-program": "сборка дала {found}, а не программу для Linux",
    "artifact.not-compiled": "wasmtime не может скомпилировать модуль: {said}",
    "artifact.not-wasm": "файл — не модуль WebAssembly: {found}",
    "artifact.wasm-cut": "модуль WebAssembly обрезан или повреждён на байте {offset} из {size}",
    "artifact.wasm-version": "файл начинается как WebAssembly, но его версия `{found}` неизвестна",
    "bench-diff.appeared": "Только в новом сеансе: {names}",
    "bench-diff.arm-drift": (
        "не решено: времена одной и той же команды в двух сеансах могут отличаться до {drift} раза; судите по "
        "отношению к другому варианту"
    ),
    "bench-diff.arm-faster": (
        "быстрее прежнего в {factor} раза ({low}–{high}); сама машина меняется не больше чем в {drift} раза"
    ),
    "bench-diff.arm-other-host": "не сравнивается: это другая машина",
    "bench-diff.arm-slower": (
        "медленнее прежнего в {factor} раза ({low}–{high}); сама машина меняется не больше чем в {drift} раза"
    ),
    "bench-diff.arm-too-few": "не решено: в одном из двух сеансов раундов меньше {rounds}",
    "bench-diff.before": "Было",
    "bench-diff.change": "Изменение",
    "bench-diff.changed": "Есть изменения.",
    "bench-diff.factor": "Стало / было",
    "bench-diff.fails-now": "теперь сбой",
    "bench-diff.faster": "относительно `{denominator}` быстрее прежнего в {factor} раза ({low}–{high})",
    "bench-diff.gone": "Только в старом сеансе: {names}",
    "bench-diff.host-architecture": "другая машина: архитектура была {old}, стала {new}",
    "bench-diff.host-cgroup": "другая машина: cgroup были {old}, стали {new}",
    "bench-diff.host-cpus": "другая машина: процессоров было {old}, стало {new}",
    "bench-diff.host-kernel": "другая машина: ядро было {old}, стало {new}",
    "bench-diff.host-os": "другая машина: система была {old}, стала {new}",
    "bench-diff.no-change": "изменений больше {percent} % нет",
    "bench-diff.noisy": "не решено: хотя бы в одном из двух сеансов на машине было шумно",
    "bench-diff.not-resolved": "не решено: возможно всё от ускорения в {faster} раза до замедления в {slower} раза",
    "bench-diff.now": "Стало",
    "bench-diff.other-command": "теперь это другая команда",
    "bench-diff.slower": "относительно `{denominator}` медленнее прежнего в {factor} раза ({low}–{high})",
    "bench-diff.spawn": (
        "пустая программа запускалась и завершалась за {old_ms} мс, теперь за {new_ms} мс: машина уже не та, что была"
    ),
    "bench-diff.still-fails": "сбой был и остался",
    "bench-diff.too-few": "не решено: в одном из двух сеансов раундов не хватает для интервала",
    "bench-diff.tool": "`{tool}`: было {old}, стало {new}",
    "bench-diff.unchanged": "Изменений, которые видны по этим раундам, нет.",
    "bench-diff.works-now": "был сбой, теперь работает",
    "bench-out.arms": "Варианты",
    "bench-out.disagrees": (
        "{names}: бутстреп медианы даёт {interval}, это не пересекается с интервалом выше; посмотрите на отдельные "
        "запуски."
    ),
    "bench-out.ending-most-rounds": "остановлено: больше раундов не делается",
    "bench-out.ending-no-arms": "остановлено: рабочих вариантов не осталось",
    "bench-out.ending-precision": "остановлено: все отношения известны с точностью ± 5 %",
    "bench-out.ending-rounds": "столько, сколько было задано",
    "bench-out.ending-time": "остановлено: время вышло",
    "bench-out.failed": "сбой в запуске {run}: {reason}",
    "bench-out.image": "{name}: `{image}` для {platform}, {mode} ({digest})",
    "bench-out.log": "Ось логарифмическая.",
    "bench-out.loop": "цикл bash",
    "bench-out.loop-bad": "{said}; в среднее вошли и неудачные запуски: {bad}",
    "bench-out.mad": "Разброс (MAD)",
    "bench-out.median": "Медиана",
    "bench-out.memory": "Пик памяти",
    "bench-out.memory-floor": "У пустой программы там {floor}.",
    "bench-out.memory-how": "Пик памяти: медиана отдельных запусков ({runs}), источник: {file}.",
    "bench-out.method": (
        "Раундов: {rounds}, порядок вариантов в каждом — от начального числа {seed}, перед ними отброшено {warmups} "
        "({conditions}); {ending}."
    ),
    "bench-out.no-baseline": (
        "Отношений нет: вариант `{baseline}`, на который делят остальные, не прошёл. Исправьте его или выберите другой "
        "через `--baseline {other}`."
    ),
    "bench-out.no-memory": "`{name}`: пик памяти не измерен: {reason}",
    "bench-out.no-ratio": "деление на 0",
    "bench-out.noisy": (
        "На машине было шумно, и разница может быть от этого: {reasons}. Раундов повторено из-за шума: {repeated}."
    ),
    "bench-out.number": "{median} (5–95 %: {tails}; запусков: {runs})",
    "bench-out.others": "Что о тех же запусках сказали бы другие программы",
    "bench-out.outliers": "{n}, далеко в стороне {flagged}",
    "bench-out.plot-band": "Если весь интервал отношения лежит в серой части (10 % в обе стороны), разницы нет.",
    "bench-out.plot-note": "Каждая точка — запуск; черта — медиана, в закрашенной части 90 % запусков.",
    "bench-out.quiet": "На машине было тихо (измерений шума: {readings}, раундов повторено: {repeated}).",
    "bench-out.ratio": "Отношение",
    "bench-out.ratios": "Отношения времён с интервалами на уровне 95 %",
    "bench-out.start": "Первый вывод",
    "bench-out.tails": "5–95 %",
    "bench-out.title-start": "Время от запуска до первого вывода или верного ответа",
    "bench-out.title-total": "Время от запуска до завершения",
    "bench-out.verdict": "Вывод",
    "bench.exit": "программа завершилась с кодом {exit}, ожидался {expected}: {said}",
    "bench.exit-silent": "программа завершилась с кодом {exit}, ожидался {expected}",
    "bench.faster": "`{numerator}` быстрее, чем `{denominator}`, в {factor} раза ({low}–{high})",
    "bench.memory-not-told": "эта машина его не сообщает",
    "bench.no-difference": "между `{numerator}` и `{denominator}` нет разницы в пределах {percent} %: отношение "
    "{factor} ({low}–{high})",
    "bench.no-match": "вывод не подходит под `{regex}`: {found}",
    "bench.no-output": "программа ничего не вывела, а измеряется время до первого байта",
    "bench.not-resolved": "не решено: `{numerator}` может быть и в {faster} раза быстрее, чем `{denominator}`, и в "
    "{slower} раза медленнее; хватило бы ещё примерно {more} раундов",
    "bench.other-keys": "в выводе ключи {found}; в первом запуске были: {expected}",
    "bench.shim-variables": (
        "в `{name}` обычная программа запускается из WASM-shim и видит его переменные, а не переменные образа"
    ),
    "bench.slower": "`{numerator}` медленнее, чем `{denominator}`, в {factor} раза ({low}–{high})",
    "bench.small-faster": (
        "разница есть, хотя бы малая: `{numerator}` быстрее, чем `{denominator}`, в {factor} раза ({low}–{high})"
    ),
    "bench.small-slower": (
        "разница есть, хотя бы малая: `{numerator}` медленнее, чем `{denominator}`, в {factor} раза ({low}–{high})"
    ),
    "bench.timeout-share": (
        "не завершилась за {seconds} с, половину своей доли общего времени; больше даёт `--time-limit` или `--timeout`"
    ),
    "bench.too-coarse": "не решено: `{numerator}` и `{denominator}` почти в каждом раунде отличаются ровно на одно и "
    "то же: часы слишком грубы",
    "bench.too-few-rounds": "не решено: раундов `{numerator}` и `{denominator}` слишком мало ({rounds}) для интервала; "
    "нужно ещё примерно {more}",
    "bench.two-engines": (
        "{ratio} сравнивает два образа на двух движках: на одном движке — {alike}, сама смена движка — {engine}"
    ),
    "bench.two-engines-unknown": (
        "{ratio} сравнивает два образа на двух движках, и доля движка неизвестна: добавьте вариант, который запускает "
        "один из образов на движке другого, например `ctr-runc`"
    ),
    "build.failed": "сборка не удалась: {said}",
    "build.needs-network": "для сборки нужны модули из сети, а сети у сборок здесь нет",
    "build.no-file": "обычного файла `{file}` нет",
    "build.nothing-to-pack": "не собрано то, что кладут в образ",
    "build.object-missing": "`{file}` есть в списке файлов репозитория, но содержимого в нём нет",
    "build.source-elsewhere": (
        "{dockerfile}, строка {line}: собирается `{file}`, который COPY кладёт в другое место; такое размещение здесь "
        "не поддерживается"
    ),
    "build.source-missing": "{dockerfile}, строка {line}: собирается `{file}`, а его нет",
    "build.too-large": "в `{file}` {size} Б; читается не больше {cap}",
    "cell.as-much": "в {factor}× больше",
    "cell.both-by": "обе стороны: {how}",
    "cell.engine-share": "на одном движке {alike}, сама смена движка {engine}",
    "cell.engine-unknown": "движки разные, их доля неизвестна",
    "cell.fails": "не работает",
    "cell.lab-compiler": "компилятор этой работы",
    "cell.no-container": "{name}, без контейнера",
    "cell.no-server": "сервера нет: {said}",
    "cell.not-comparable": "несравнимо",
    "cell.one-run": "{name}, {arm}",
    "cell.other-compiler": "{found}, а не {expected}",
    "cell.works": "работает",
    "cgi.bad-status": "`{path}`: строка {line} вывода не содержит кода ответа: {found}",
    "cgi.empty": "`{path}`: программа ничего не вывела",
    "cgi.exit": "`{path}`: программа завершилась с кодом {exit}: {said}",
    "cgi.folded": "`{path}`: строка {line} вывода начинается с пробела, а заголовок занимает одну строку: {found}",
    "cgi.no-end": "`{path}`: после заголовков нет пустой строки; вывод начинается так: {found}",
    "cgi.not-a-header": "`{path}`: строка {line} вывода — не заголовок вида `Name: value`: {found}",
    "cgi.not-ascii": "`{path}`: строка {line} заголовков не в ASCII: {found}",
    "cgi.signal": "`{path}`: программа завершена сигналом {signal}: {said}",
    "cgi.too-many": "`{path}`: строк заголовков в выводе больше {lines}",
    "cgi.twice": "`{path}`: в строке {line} вывода `{header}` повторяется",
    "claims.also": "тоже",
    "claims.encoding-cp1251": (
        "отчёт в кодировке CP1251, а не UTF-8; он так и прочитан и в той же кодировке записан обратно"
    ),
    "claims.line": "Строка",
    "claims.no-table": "в отчёте нет таблицы со столбцом для каждой стороны и со строкой этой работы",
    "claims.quote": "Цитата",
    "claims.read-from": "Откуда",
    "claims.source-file": "файл",
    "claims.source-output": "вывод команды",
    "claims.source-table": "таблица",
    "claims.source-text": "текст",
    "claims.table-in-code": ("сравнительная таблица стоит в блоке кода, возможно незакрытом; она всё равно прочитана"),
    "claims.title": "Что сказано в отчёте ({lab})",
    "claims.value": "Значение",
    "criterion.above-ceiling": "{quote} — намного больше, чем обычно даёт такое измерение",
    "criterion.below-floor": "{quote} — меньше, чем может дать такое измерение: оно не удалось, а не показало скорость",
    "criterion.derived-open": "эти ячейки нельзя вычислить из чисел своей строки: {ids}",
    "criterion.derived-right": "вычисляемые ячейки сходятся со своими строками",
    "criterion.derived-wrong": "эти ячейки пусты или не сходятся со своей строкой: {ids}",
    "criterion.estimate": "в самом отчёте это названо оценкой, а не измерением: {quote}",
    "criterion.example": "в самом отчёте это названо примером: {quote}",
    "criterion.executed": "собрано и запущено здесь, вывод верный",
    "criterion.filled-by-grader": "{id}: есть только ячейка от `grader fill`; ваше измерение поищет преподаватель",
    "criterion.finding": "это посмотрит преподаватель: есть замечание `{rule}` (см. «Стоит проверить»)",
    "criterion.need-failed": "сначала должно быть выполнено: {need}",
    "criterion.need-not-run": "это основано на том, что здесь не удалось проверить: {need}",
    "criterion.no-table": "в отчёте нет сравнительной таблицы",
    "criterion.not-accepted": "в отчёте указано {found}; ожидалось: {accepted}",
    "criterion.not-attempted": "бонус не выполнялся",
    "criterion.not-stated": "в отчёте нет значения: {id}",
    "criterion.nothing-handed-in": "по этому заданию не найдено ничего вашего",
    "criterion.own-output-differs": "в выводе, приведённом в самом отчёте (строка {line}), стоит {quote}",
    "criterion.perhaps-in-a-picture": (
        "в тексте отчёта этого нет; возможно, это есть на картинке, но картинки здесь не читаются (картинок: {count})"
    ),
    "criterion.review": "прочитает преподаватель",
    "criterion.stated": "в отчёте указано",
    "criterion.table-complete": "все ячейки заполнены",
    "criterion.table-gaps": "в таблице нет строк: {rows}; пустые ячейки: {cells}",
    "criterion.table-incomplete": "пустые ячейки: {cells}",
    "criterion.table-rows-absent": "в таблице нет строк: {rows}",
    "criterion.usable": "в отчёте указано, измерение пригодно",
    "diff.another": "Другая работа: {old}, теперь {new}",
    "diff.before": "Было",
    "diff.finding": "замечание {rule}",
    "diff.none": "Ничего не изменилось.",
    "diff.now": "Стало",
    "diff.score": "баллы",
    "diff.title": "Что изменилось",
    "diff.verdict": "вердикт: {name}",
    "diff.what": "Что",
    "dockerfile.before-from": "Dockerfile, строка {line}: `{found}` стоит до первого FROM",
    "dockerfile.continuation": (
        "Dockerfile, строка {line}: в конце две обратные черты, которые сборщики читают по-разному"
    ),
    "dockerfile.escape": "Dockerfile, строка {line}: символ экранирования изменён на `{found}`; нужен `\\`",
    "dockerfile.from": "Dockerfile, строка {line}: в `FROM {found}` нет имени образа",
    "dockerfile.heredoc": (
        "Dockerfile, строка {line}: here-document здесь не поддерживается; запишите команду одной строкой"
    ),
    "dockerfile.no-stage": "в Dockerfile нет FROM",
    "dockerfile.odd-character": "Dockerfile, строка {line}: символ {found}, который сборщики читают по-разному",
    "dockerfile.too-large": "Dockerfile больше {allowed} Б и не прочитан",
    "dockerfile.unknown-instruction": "Dockerfile, строка {line}: инструкции `{found}` не существует",
    "engine.crun-without-wasm": "`{tool}` здесь собран без WebAssembly",
    "engine.needs-root": "{tool} запускается только от имени root",
    "engine.no-container-engine": "нужен Docker или containerd, а при этой проверке их не было",
    "engine.no-daemon": "нужен {engine}, которого на этой машине нет",
    "engine.no-images": "образы собирает Docker или containerd, а при этой проверке их не было",
    "engine.no-permission": "нужен {engine}, но этому пользователю его демон недоступен",
    "engine.no-sandbox": "на этой машине песочница не работает",
    "engine.no-shim": "containerd не находит `{shim}`, а он здесь нужен",
    "engine.no-spin": "нужен Spin, которого здесь пока ничто не запускает",
    "engine.only-images": "здесь запускают образы, а программы не собирают",
    "engine.other-version": "здесь {tool} {found}, а по заданию нужна версия {wanted}",
    "engine.shim-drops-environment": (
        "оболочка WASM передаёт обычной программе своё окружение, а не то, что задано в работе"
    ),
    "engine.tool-missing": "{tool} не установлен",
    "explain.file-line": "{file}, строка {line}",
    "explain.first": "из нескольких чтений взято первое",
    "explain.line": "строка {line}",
    "explain.not-taken": "Не учтено ({count}):",
    "explain.pictures": "Изображения, на которые должен взглянуть человек ({count}):",
    "explain.plain": "число без оговорки важнее остальных",
    "explain.report": "отчёт важнее файлов рядом с ним",
    "explain.same-cell": "из нескольких чисел в ячейке взято первое или то, что точнее повторяет его",
    "explain.table": "сравнительная таблица важнее текста и вывода команд",
    "fact.no-reading": "на этой машине не удалось узнать, сколько памяти занимает программа",
    "fact.no-server": "сервера нет, смотреть не на что: он, как и ожидалось, не запустился, сообщив `{said}`",
    "fact.no-server-but": (
        "сервера нет, смотреть не на что: он, как и ожидалось, не запустился, сообщив `{said}`; вместо этого "
        "смотрите: {instead}"
    ),
    "fact.no-starts": "ни один запуск сервера не измерен ({said})",
    "fact.no-value": "проверка {probe} не дала ни значения, ни причины",
    "fact.not-measured": "здесь не измерено: {arm}",
    "fact.nothing-to-time": "измерять время было не у чего",
    "fact.other-compiler-slow": "модуль собран компилятором {compiler}, а не компилятором работы, и не завершился "
    "за {seconds} с; обычная программа из того же кода прошла, так что вины работы в этом нет",
    "fact.other-source": "измерен другой файл: {label}",
    "fact.requests-unfinished": "вовремя отвечено на {done} из {requests} запросов",
    "feedback.all-provided": "Здесь только файлы курса, а в отчёте нет ничего своего: оценивать пока нечего.",
    "feedback.as-for": "как для {criterion}",
    "feedback.bonus-points": "Бонус: {points}.",
    "feedback.commands": "Команды запускайте в папке с файлами работы.",
    "feedback.commands-in": "Команды запускайте в {folder}.",
    "feedback.criterion": "Критерий",
    "feedback.files": "Файлы: {folder}",
    "feedback.filled": "Заполнено: {file} (прежний файл: {backup})",
    "feedback.filled-copy": "Заполненная копия: {file}",
    "feedback.filled-empty": "пусто",
    "feedback.given": "поставлено преподавателем",
    "feedback.given-note": "поставлено преподавателем: {note}",
    "feedback.in-line": "строка {line}",
    "feedback.lines": "Строки отчёта: {lines}.",
    "feedback.loop": "{first}, {second}; первое / второе: {ratio}",
    "feedback.loop-heading": "Что вывел бы цикл из задания",
    "feedback.lost-of": "{lost} из {max}",
    "feedback.metric": "Показатель",
    "feedback.more-lines": "… ещё строк: {count}",
    "feedback.no-report": "Отчёт не найден; он должен называться так: {places}.",
    "feedback.no-sandbox": (
        "На машине, где шла проверка, песочница не работает, поэтому ничего из вашей работы там не запускалось; баллы "
        "за это не снимаются. Команду, которая это исправит, назовёт `grader doctor`."
    ),
    "feedback.noisy": "Пока измерялось время, на машине было шумно, и разница может быть от этого: {reasons}.",
    "feedback.not-measured": "Не измерено",
    "feedback.nothing-changed": "Менять нечего: {file}",
    "feedback.origin": "Работа {lab} {version} ({digest}), grader {grader}, {system}, процессоров: {cpus}.",
    "feedback.outcome": "Итог",
    "feedback.points": "Баллы",
    "feedback.ratios": (
        "Запуски сопоставлены по раундам; отношение меньше 1 значит, что быстрее первый вариант. Рядом — что вывел бы "
        "для тех же запусков цикл из задания: он обрезает каждое время до сотых долей секунды и усредняет и неудачные "
        "запуски"
    ),
    "feedback.sandbox-cost": "Пустая песочница — это время самой песочницы с программой, которая ничего не делает; оно "
    "входит и во все остальные времена.",
    "feedback.sandbox-cost-containers": "Пустая песочница — это время самой песочницы с программой, которая ничего не "
    "делает; оно входит и во все остальные времена, кроме времён контейнеров: те работают вне её.",
    "feedback.score": "Баллов пока: {points} из {max}",
    "feedback.score-apart": "в этот раз не проверено: {points}",
    "feedback.score-lost": "потеряно: {points}",
    "feedback.score-review": "ждут проверки преподавателем: {points}",
    "feedback.see-below": "см. под таблицей",
    "feedback.spread": "{value} ({tails})",
    "feedback.table": "Ваша таблица: указано, пересчитано, измерено",
    "feedback.timed": "Сколько шли запуски здесь: медиана и пределы для девяти запусков из десяти:",
    "feedback.timed-short": "Измеренные запуски: медиана и пределы для девяти из десяти",
    "feedback.you-wrote": "у вас написано: {quote}",
    "feedback.your-report": "ваш-отчёт.md",
    "finding.filled-by-grader": (
        "эти ячейки выглядят так, как их пишет `grader fill`, и вместо них засчитывается ваш вывод команд: {ids}"
    ),
    "gobuild.flag": "Dockerfile, строка {line}: флаг `{found}` не разрешён; разрешены: {allowed}",
    "gobuild.linker-flag": (
        "Dockerfile, строка {line}: флаг компоновщика `{found}` не разрешён; разрешены: -s, -w, -X, -buildid, "
        "-linkmode=internal, -extldflags=-static"
    ),
    "gobuild.not-found": "ни в одном RUN файла {file} нет `{command}`",
    "gobuild.other-command": "Dockerfile, строка {line}: `{found}` стоит рядом с `{command}` и здесь не выполняется",
    "gobuild.package": "Dockerfile, строка {line}: `{found}` — не файл и не пакет внутри работы",
    "gobuild.quotes": "Dockerfile, строка {line}: кавычка не закрыта",
    "gobuild.run-option": "Dockerfile, строка {line}: `RUN {found}` здесь не поддерживается",
    "gobuild.several": (
        "Dockerfile, строка {line}: второй `{command}` (первый в строке {first}); непонятно, какой из них нужен"
    ),
    "gobuild.shell": (
        "Dockerfile, строка {line}: для `{found}` нужна оболочка; команды можно соединять только через `&&`"
    ),
    "gobuild.value": "Dockerfile, строка {line}: `{found}` не подходит как значение {flag}",
    "gobuild.variable": "Dockerfile, строка {line}: `{found}` меняет сборку; разрешено: {allowed}",
    "image.archive": (
        "Dockerfile, строка {line}: ADD распаковывает `{found}` (архив или ссылка), и каким станет размер, неизвестно; "
        "добавьте сами файлы или возьмите COPY"
    ),
    "image.base": (
        "Dockerfile, строка {line}: `{found}` берёт за основу неразрешённый образ; разрешены scratch, {allowed}"
    ),
    "image.failed": "образ не собрался (код {exit}): {said}",
    "image.flag": "Dockerfile, строка {line}: параметр `{found}` при сборке здесь не разрешён",
    "image.mount": "Dockerfile, строка {line}: `{found}` подключает то, чего нет в работе",
    "image.needs-buildkit": (
        "Dockerfile, строка {line}: для `{found}` нужен BuildKit; образы здесь собирает классический сборщик Docker, "
        "потому что только он держит сборку в заданных пределах, поэтому этот образ не собирался"
    ),
    "image.needs-network": "сборке нужна сеть, которой здесь нет ни у одной сборки: {said}",
    "image.no-file": "в образе нет файла `{file}`",
    "image.no-program": "точка входа образа не называет файла в нём",
    "image.onbuild": "Dockerfile, строка {line}: ONBUILD прячет команды, такое здесь не собирается",
    "image.remote-add": "Dockerfile, строка {line}: ADD загружает `{found}` извне",
    "image.run": "Dockerfile, строка {line}: RUN в сборке образа WASM не выполняется: там его нечем выполнить",
    "image.syntax": "Dockerfile, строка {line}: требуется другой сборщик, `{found}`, который работал бы вместо нашего",
    "image.timeout": "образ не собрался за {seconds} с",
    "image.variable": "Dockerfile, строка {line}: `{found}` зависит от переменной без значения",
    "image.volume": "образ объявляет том `{found}`, который контейнер здесь не получает",
    "infra.build-broke": "сборку не удалось запустить: {detail}",
    "infra.build-cut-short": "сборка прервана этой машиной ({detail})",
    "infra.builder-broke": "сломался сборщик образов: {said}",
    "infra.check-broke": "проверка этого критерия сломалась ({detail}); это наша ошибка",
    "infra.image-broke": "образ не удалось собрать: {detail}",
    "infra.run-broke": "запуск не состоялся: {detail}",
    "infra.stand-in-lacks": "в нашей замене базового образа нет `{program}`; это не ваша ошибка",
    "intake.link-dangling": "`{path}` — ссылка, за которой в работе ничего нет; она пропущена",
    "intake.link-to-folder": "`{path}` — ссылка на папку; сама папка есть, ссылка пропущена",
    "intake.object-absent": (
        "`{path}` есть в списке файлов репозитория, но содержимого в нём нет (неполный клон); файл пропущен"
    ),
    "intake.submodule": "`{path}` — подмодуль git; его содержимое не входит в работу",
    "limit.time": "время, отведённое на этот запуск, истекло раньше",
    "meaning.binary": "{unit} в степенях 1024",
    "meaning.decimal": "{unit} в степенях 1000",
    "meaning.mixed": "{unit} как 1000 KiB",
    "noise.foreign-load": "другие программы занимали {percent} % всех процессоров",
    "noise.pressure": "задачи ждали процессор {percent} % времени (в самых спокойных раундах: {own} %)",
    "noise.spawn": "пустая программа запускалась и завершалась за {found_ms} мс (быстрейшая из известных "
    "здесь: {quiet_ms} мс)",
    "noise.spawn-tail": "каждая десятая пустая программа шла {found_ms} мс и дольше (быстрейшая медиана: "
    "{quiet_ms} мс)",
    "note.container-times": (
        "Во время контейнера входит всё, что движок делает вокруг программы: создаёт контейнер, запускает его и "
        "убирает."
    ),
    "note.engine-share": (
        "{ratio}: {value} — это две перемены сразу, программы и движка. Программы на одном движке ({alike_arms}) "
        "дают {alike}, сама смена движка ({engine_arms}) даёт {engine}."
    ),
    "note.engine-unknown": "{ratio}: программа и движок меняются сразу, а доля движка здесь не измерена.",
    "note.image-sizes": (
        "Каждая команда считает образ по-своему: одни — распакованные файлы, другие — сжатые, третьи — и те и "
        "другие; поэтому сравнивайте размеры только в одной строке."
    ),
    "note.image-sizes-title": "Размеры образов",
    "note.index-alone": (
        "`ctr images ls` считает только то, что предназначено для процессора этой машины, поэтому от образа WASM "
        "в индексе видит один индекс."
    ),
    "note.memory": (
        "Память — это то, что ядро отнесло к группе самой программы (cgroup), или то, что показывает команда или "
        "файл в скобках; то, что среда запуска держит рядом с контейнером, добавляется к этому, а у мгновенного "
        "запуска его не застать."
    ),
    "note.memory-beside": "Среда рядом",
    "note.memory-idle": "Сервер в покое",
    "note.memory-later": "После 1000 запросов",
    "note.memory-peak": "Пик одного запуска",
    "note.memory-title": "Память по вариантам",
    "note.sides": "Что добавляют контейнеры",
    "note.size": "Размер по",
    "page.arm": "Вариант",
    "page.arms": "Те же запуски в числах",
    "page.axis-linear": (
        "Время от запуска до завершения, у сервера — до первого верного ответа. Шкала начинается с 0: длины можно "
        "сравнивать."
    ),
    "page.axis-log": (
        "Время от запуска до завершения, у сервера — до первого верного ответа. Шкала логарифмическая: равные отрезки "
        "означают, что время больше в одно и то же число раз."
    ),
    "page.bonus": "бонус",
    "page.claimed": "В отчёте",
    "page.comparison": "Указано, пересчитано, измерено",
    "page.comparison-how": "Что сказано в отчёте, что следует из других ячеек той же строки и что измерено здесь.",
    "page.criteria": "Все критерии",
    "page.evidence": "Где видно:",
    "page.findings": "Стоит проверить",
    "page.findings-how": "Замечание — повод посмотреть, а не обвинение.",
    "page.first-output": "От запуска до первого вывода или ответа",
    "page.group-apart": "В этот раз не проверено",
    "page.group-apart-how": "Баллы за это не снимаются: в этот раз проверить это не удалось, причина указана.",
    "page.group-bonus": "Бонус",
    "page.group-bonus-how": "Он начисляется сверх баллов; если его нет, баллы не снимаются.",
    "page.group-lost": "Потерянные баллы",
    "page.group-lost-how": "Для каждого — причина и, где это возможно, команда, которая её покажет.",
    "page.group-passed": "Полученные баллы",
    "page.group-passed-how": "Собрано, запущено или сверено с измеренным здесь.",
    "page.group-review": "Ждёт проверки преподавателем",
    "page.group-review-how": "Здесь ничего не угадывается: преподаватель прочитает и поставит баллы.",
    "page.heading": "Отзыв о работе",
    "page.intro": (
        "Здесь то, что программа проверки собрала, запустила и измерила в вашей работе, рядом с тем, что сказано в "
        "отчёте. Это один файл, он ничего не загружает; его можно хранить и печатать."
    ),
    "page.logs": "Что сообщили программы",
    "page.logs-how": (
        "Первые строки каждой программы, которая завершилась неудачей; полностью они лежат в папке этой оценки."
    ),
    "page.measured": "Измерено",
    "page.mode": "Режим",
    "page.next": "С чего начать",
    "page.next-more": "ниже есть и другие, ещё: {count}",
    "page.no-runs": "Отдельных запусков под рукой нет; их медианы — ниже.",
    "page.not-timed": "Время здесь не измерялось:",
    "page.note": "Примечание:",
    "page.notes": "О присланной работе",
    "page.of-points": "из {max} б.",
    "page.outcome-error": "наша ошибка",
    "page.outcome-fail": "не выполнено",
    "page.outcome-manual": "поставлено преподавателем",
    "page.outcome-not-run": "не проверялось",
    "page.outcome-partial": "частично",
    "page.outcome-pass": "выполнено",
    "page.outcome-review": "решает преподаватель",
    "page.own-table": "Ваша таблица, заполненная",
    "page.own-table-how": "Ваш текст остался на месте; после стрелки стоит измеренное здесь.",
    "page.part-apart": "здесь не проверено",
    "page.part-bonus": "бонус, сверх баллов",
    "page.part-earned": "получено",
    "page.part-lost": "потеряно",
    "page.part-manual": "поставлено преподавателем",
    "page.part-review": "ждут преподавателя",
    "page.plot-failed": "сбой",
    "page.plot-no-number": "числа нет: один из запусков не удался",
    "page.plot-title": "Все измеренные запуски по вариантам, медиана и пределы для девяти запусков из десяти",
    "page.points-of": "{points} из {max}",
    "page.points-worth": "до {max} б.",
    "page.quantity": "Величина",
    "page.ratios": "Отношения времён с интервалами на уровне 95 %",
    "page.recomputed": "Пересчитано",
    "page.report-line": "строка отчёта {line}",
    "page.reproduce": "Проверить самостоятельно:",
    "page.runs": "Запусков",
    "page.score": "Оценка в целом",
    "page.server-arm": "{arm}: сервер",
    "page.severity-error": "ошибка",
    "page.severity-info": "заметка",
    "page.severity-warning": "предупреждение",
    "page.state-final": "Оценка окончательная.",
    "page.state-infra-error": "Сбой на стороне проверки. Баллы за это не снимаются, оценка не окончательная.",
    "page.state-needs-review": "Не окончательно: часть работы ещё прочитает преподаватель.",
    "page.times": "Все измеренные запуски",
    "page.times-how": (
        "Каждая точка — один запуск. Линия — медиана, в полосе запуски от 5-го до 95-го процентиля; это не "
        "доверительный интервал: соседние запуски похожи друг на друга."
    ),
    "page.title": "Отзыв о работе: {name}",
    "page.total": "От запуска до завершения",
    "page.verdict": "Вердикт",
    "page.why": "Почему",
    "plan.effort": (
        "сборок: {builds}, проверок: {probes}, запусков для памяти: {memory_runs}, запусков на время: {timed_runs}; "
        "то, что есть в кэше, не запускается снова. Не дольше {minutes} мин: столько дают все ограничения вместе."
    ),
    "plan.no-tool": "здесь нет нужного инструмента: {tool}",
    "plan.not-run": "не запускается",
    "plan.unknown-to-engine": "так запустить программу здесь нельзя",
    "probe.empty": "программа ничего не вывела{found}",
    "probe.exit": "программа завершилась с кодом {exit}: {said}",
    "probe.key-missing": "в выводе нет ключа `{key}`; есть: {found}",
    "probe.not-json": "вывод — не JSON: {found}",
    "probe.not-now": "`{key}` равно {found}; в момент запуска было {expected} (допуск {within} с)",
    "probe.not-object": "вывод — JSON, но не объект: {found}",
    "probe.other-instant": "`{key}` равно `{found}`; в поясе UTC{offset} момент из `{other}` — это `{expected}`",
    "probe.signal": "программа завершена сигналом {signal}: {said}",
    "probe.wrong-value": "`{key}` равно {found}; ожидалось: {expected}",
    "rejected.comparison": "сравнение двух величин",
    "rejected.no-name": "ни одно слово не называет величину",
    "rejected.no-subject": "не сказано, к какой из сторон это относится",
    "rejected.no-text": "файл не текстовый",
    "rejected.one-of-runs": "один из нескольких запусков",
    "run.disk-limit": "программа записала на диск больше {bytes} Б",
    "run.memory-limit": "программе понадобилось памяти больше {bytes} Б",
    "run.not-prepared": "запускать нечего ({arm}): {detail}",
    "run.not-started": "`{program}` не запускается: {error}",
    "run.output-limit": "программа вывела в {stream} больше {bytes} Б",
    "run.pids-limit": "программе понадобилось процессов и потоков больше {pids}",
    "run.timeout": "программа не завершилась за {seconds} с",
    "sandbox.no-cgroup": "память и число процессов не ограничены через cgroup: {detail}",
    "sandbox.no-tool": "`{tool}` не установлен, а без него нет песочницы",
    "sandbox.not-tight": "песочница не изолирует как следует: {detail}",
    "sandbox.refused": "эта машина не даёт создать песочницу: {detail}",
    "sandbox.trusted": "без песочницы: код выполнялся с правами того, кто запустил проверку (`--trust`)",
    "server.exited": "сервер завершился с кодом {exit}, не ответив на `{path}`: {said}",
    "server.exited-later": "сервер завершился с кодом {exit} после {answers} верных ответов, а запросов подряд будет "
    "{requests}: {said}",
    "server.killed": "сервер завершён сигналом {signal}, не ответив на `{path}`: {said}",
    "server.killed-later": "сервер завершён сигналом {signal} после {answers} верных ответов, а запросов подряд будет "
    "{requests}: {said}",
    "server.no-answer": "за {seconds} с на порту {port} никто не начал слушать; запрашивалось `{path}`",
    "server.other-failure": "ожидалось, что сервер завершится с одним из сообщений: {expected}; он сообщил: {said}",
    "timing.bad-run": "запуск не удался ({arm}; номер круга: {round})",
    "timing.not-timed": "время не измерялось: {arm}",
    "verdict-name.consistent": "согласуется",
    "verdict-name.contradicted": "не сходится",
    "verdict-name.missing": "не указано",
    "verdict-name.not-run": "не измерялось",
    "verdict-name.reproduced": "подтверждено",
    "verdict-name.unverifiable": "не проверить",
    "verdict.contradicted": "такого числа не даёт ни наше измерение, ни одно из известных значений этой величины",
    "verdict.filled-by-grader": "в ячейке то, что записал `grader fill`, а сам отчёт значения не даёт",
    "verdict.follows-output": "следует из вывода, приведённого в отчёте; расходится другая ячейка строки",
    "verdict.follows-reference": "следует из того, что дают исходные файлы курса; расходится другая ячейка строки",
    "verdict.known-value": "совпадает с тем, что та же команда выдаёт для исходных файлов курса ({notion})",
    "verdict.lab-version": "та версия, которая нужна по заданию ({expected})",
    "verdict.missing": "в отчёте нет значения",
    "verdict.near": "отличие от нашего значения не больше 5 %: это разница единиц или округления",
    "verdict.near-notion": "отличие от нашего значения ({notion}) не больше 5 %: это разница единиц или округления",
    "verdict.no-inputs": "в ячейках этой строки нет чисел, из которых это можно вычислить",
    "verdict.no-number": "в отчёте здесь стоит {qualifier}: никакое измерение этого не подтвердит и не опровергнет",
    "verdict.nothing-to-compare": "здесь это не измеряется, сказанное в отчёте остаётся как есть",
    "verdict.other-arm": "здесь запущено так: {arm}; по заданию нужно так: {own}; поэтому числа могут различаться",
    "verdict.other-compiler": (
        "наш модуль собран другим компилятором ({compiler}), поэтому его числа ничего не говорят о ваших"
    ),
    "verdict.other-compression": (
        "ни один из наших размеров этого образа не подходит, но при другом сжатии такое число возможно"
    ),
    "verdict.other-store": "столько Docker показывает для нашего образа, когда хранит образы в containerd",
    "verdict.other-version": "по заданию нужна версия {expected}",
    "verdict.outside-known": "ни одно из известных значений для исходных файлов курса не даёт такого числа",
    "verdict.own-cells": "из других ячеек этой строки выходит пересчитанное значение",
    "verdict.own-cells-agree": "сходится с ячейками своей строки",
    "verdict.own-output": "в выводе, приведённом в самом отчёте (строка {line}), стоит {quote}",
    "verdict.reproduced": "совпадает с нашим значением до последнего знака, который вы написали",
    "verdict.reproduced-notion": "совпадает с нашим значением ({notion}) до последнего знака, который вы написали",
    "verdict.same-command": "та же команда здесь работает и выводит то, что нужно",
    "verdict.usable": "измерение пригодно",
    "why.impossible-unit": "в этой единице столько быть не может",
    "why.known-value": "близко к значению, которое дают файлы работы",
    "why.notes": "слова строки называют программу",
    "why.own-output": "сходится с другим числом отчёта",
    "why.unit-slip": "прочитано в следующей единице: меньше быть не может",
    "why.usual": "обычно для этой величины",
    "why.words": "так печатает названная программа",
}

NAMES: dict[str, str] = {
    "arm.build": "наша сборка",
    "arm.committed": "файл из работы",
    "arm.ctr-crun-wasmedge": "containerd с crun и WasmEdge",
    "arm.ctr-crun-wasmedge-aot": "containerd с crun и WasmEdge, готовый код",
    "arm.ctr-runc": "containerd с runc",
    "arm.ctr-wasmedge": "containerd с шимом WasmEdge",
    "arm.ctr-wasmtime": "containerd с шимом wasmtime",
    "arm.docker": "контейнер Docker",
    "arm.docker-nonet": "контейнер Docker без сети",
    "arm.oci": "образ OCI",
    "arm.process": "обычный процесс",
    "arm.sandbox-noop": "пустая песочница",
    "arm.shim-native": "обычная программа под шимом WASM",
    "arm.spin": "Spin",
    "arm.wasmtime": "wasmtime",
    "arm.wasmtime-aot": "wasmtime с готовым кодом",
    "arm.wasmtime-cached": "wasmtime с кэшем",
    "metric.binary_size": "размер бинарного файла",
    "metric.cli_output": "вывод одного запуска",
    "metric.first_answer_time": "время до первого ответа",
    "metric.first_output_time": "время до первого вывода",
    "metric.image_size": "размер образа",
    "metric.memory_idle": "память сервера в покое",
    "metric.memory_peak": "пик памяти за один запуск",
    "metric.reduction": "уменьшение",
    "metric.server_mode": "режим сервера",
    "metric.startup_time": "время запуска",
    "metric.startup_time.ratio": "отношение времён запуска",
    "metric.wagi_output": "ответы на запросы CGI",
    "mode.aot": "скомпилировано заранее",
    "mode.control": "для сравнения",
    "mode.interpreted": "интерпретатор",
    "mode.jit": "компиляция при запуске",
    "mode.jit-cached": "компиляция при запуске, с кэшем",
    "mode.native": "обычная программа",
    "notion.cgroup": "cgroup",
    "notion.content": "размер содержимого",
    "notion.ctr_ls": "`ctr images ls`",
    "notion.disk_usage": "место на диске",
    "notion.docker_images": "`docker images`",
    "notion.docker_inspect": "`docker image inspect`",
    "notion.docker_stats": "`docker stats`",
    "notion.file": "размер файла",
    "notion.image_tag": "метка образа",
    "notion.oci_archive": "архив OCI",
    "notion.other_keys": "объект с другими ключами",
    "notion.shim": "процессы среды запуска рядом с контейнером",
    "notion.smaps": "`smaps_rollup`",
    "notion.unit_slip": "другая единица, чем написано",
    "notion.unpacked": "распакованные файлы",
    "probe.cgi": "CGI",
    "probe.http": "сервер",
    "probe.stdout_json": "командная строка",
    "subject.derived": "разница",
    "subject.native": "обычная программа",
    "subject.wasm": "WASM",
    "value.valid": "верно",
}
"""Names of ids, by kind and id."""
