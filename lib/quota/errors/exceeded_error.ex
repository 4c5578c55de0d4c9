defmodule Quota.ExceededError do
  @moduledoc since: "0.1.0"
  @moduledoc """
  `Quota.run/3` raises this error in the caller when the work exceeded its limit. A function that allocates native
  memory raises it inside the work when that memory is refused.

    * `limit` - the limit, in bytes
    * `category` - the kind of memory, or the count, that exceeded the limit:
      * `:heap` - the process's heap, its stack and its mailbox
      * `:binaries` - binaries that the work referenced
      * `:native` - memory allocated by this library; `requested` bytes were refused
      * `:system` - the system does not have the `requested` bytes of native memory. The limit was not exceeded. `limit`
        is that of the quota, or nil without one
      * `:ets` - ETS tables of the counted processes
      * `:queue` - a process's message queue was longer than `:max_queue`
      * `:children` - more processes counted towards the quota at one time than `:max_children` allows
      * `:result` - the copy of the result for the caller
      * `:captures` - the copy, for the new process, of the terms that `fun` captures, Logger metadata, the label and
        inherited keys. Nothing was started
      * `:unknown` - the process was over its limit at the last measurement and was then killed. Another tracer was
        attached to it, so the cause is unknown
    * `requested` - bytes of native memory that were refused, or nil. `at_least` is true when this is a lower bound,
      because the full size was not yet known
    * `messages` - length of the message queue when the process was last seen growing near its limit, or nil
    * `usage` - memory in use at the breach, as a `Quota.Usage` (bytes)
    * `binaries`, `mailbox`, `nested` - internal, for the text of the message
    * `label` - the label of the run
    * `node` - the node that ran the work (`node:`), or nil if it was this one
    * `stacktrace` - the stack of the process when it was last seen growing near its limit, or nil
    * `plug_status` - 503, with which Plug responds
  """

  alias Bounded.Format
  alias Quota.Usage

  @standard [:kernel, :stdlib, :elixir, :logger, :crypto, :bounded]

  # Usage and label of a process without a quota. Its charges have no limit.
  @no_quota {nil, {{0, 0, 0, 0, 0, 0}, {0, 0, 0, 0}}, nil}

  @typedoc "The kind of memory, or the count, that exceeded the limit: see the list above."
  @type category ::
          :heap
          | :binaries
          | :native
          | :system
          | :ets
          | :queue
          | :children
          | :result
          | :captures
          | :unknown

  @typedoc "A breach: the limit and the figures at the breach, in bytes."
  @type t :: %__MODULE__{
          limit: pos_integer | nil,
          category: category,
          requested: non_neg_integer | nil,
          at_least: boolean,
          messages: non_neg_integer | nil,
          label: term,
          node: node | nil,
          usage: Usage.t(),
          stacktrace: Exception.stacktrace() | nil,
          plug_status: 400..599
        }

  defexception [
    :limit,
    :category,
    :requested,
    :label,
    :messages,
    :node,
    :stacktrace,
    at_least: false,
    usage: %Usage{},
    plug_status: 503,
    # For the message only: bytes of the mailbox outside the heap, `{binaries, references, bytes}`, and whether a quota in this
    # one was refused.
    mailbox: 0,
    binaries: nil,
    nested: false
  ]

  # Approximate minimum size of a message with its data, in bytes.
  @message_bytes 128

  @doc false
  # `note` is the note of `Quota.Account.Breach.note_stack/2` in the external term format, or nil.
  def new(category, usage, note, limit, label) do
    note = if note, do: :erlang.binary_to_term(note), else: %{}

    %__MODULE__{
      limit: limit,
      category: category,
      label: label,
      usage: Usage.from_tuple(usage),
      stacktrace: note[:stack],
      messages: note[:messages],
      mailbox: note[:mailbox] || 0,
      binaries: note[:binaries]
    }
  end

  @doc false
  # The quota of the calling process refused `requested` bytes.
  def own(requested, limit \\ nil) do
    {own_limit, usage, label} = Bounded.Native.own_usage() || @no_quota

    %__MODULE__{
      limit: limit || own_limit,
      category: :native,
      requested: requested,
      label: label && :erlang.binary_to_term(label),
      usage: Usage.from_tuple(usage)
    }
  end

  @doc false
  # The quota of the calling process has too little left for one of `requested` bytes in it.
  def nested(requested), do: %{own(requested) | nested: true}

  @doc false
  # The result of the calling process would take more than `limit` bytes on the caller's node.
  def result(limit), do: %{own(nil, limit) | category: :result}

  @doc false
  # The system does not have `requested` bytes.
  def system(requested), do: %{own(requested) | category: :system}

  @doc false
  # The terms that a new process would start with need more than `limit` bytes.
  def captures(limit, label),
    do: %__MODULE__{limit: limit, category: :captures, label: label}

  @impl true
  def message(error) do
    "#{Format.subject(error.label, error.node)} #{breach(error)}#{place(error.stacktrace)}. " <>
      in_use(error) <> advice(error)
  end

  # The work has not started.
  defp in_use(%{category: :captures}), do: ""
  defp in_use(error), do: "In use: #{usage(error.usage)}#{waiting(error.messages)}. "

  defp waiting(messages) when messages in [nil, 0], do: ""
  defp waiting(1), do: ", with 1 message in its queue"
  defp waiting(messages), do: ", with #{messages} messages in its queue"

  defp breach(%{category: :queue}),
    do: "had more messages in its queue than its max_queue allows"

  defp breach(%{category: :children}),
    do: "had more counted processes than its max_children allows"

  defp breach(%{category: :system} = error),
    do: "needed #{Format.bytes(error.requested)} of native memory, which the system does not have"

  defp breach(%{nested: true} = error),
    do: "has too little of its limit of #{Format.bytes(error.limit)} left for a quota inside it"

  defp breach(error),
    do: "needed more than its limit of #{Format.bytes(error.limit)} #{cause(error)}"

  defp cause(%{category: :heap}), do: "for its heap"
  defp cause(%{category: :binaries}), do: "for the binaries it referenced"

  defp cause(%{category: :native, requested: requested} = error) when is_integer(requested),
    do:
      "for native memory: #{if error.at_least, do: "at least "}#{Format.bytes(requested)} more were refused"

  defp cause(%{category: :native}), do: "for native memory"
  defp cause(%{category: :ets}), do: "for its ETS tables"

  defp cause(%{category: :result}), do: "for the copy of its result for the caller"

  defp cause(%{category: :captures}),
    do: "for the copy of the terms it captures: nothing was started"

  defp cause(%{category: :unknown}),
    do: "and was killed; cause unknown: another tracer is attached to this process"

  defp advice(%{nested: true}) do
    smallest = Format.bytes(Quota.Options.smallest())

    "A quota inside another gets the bytes that the outer one has left, less a reserve, and needs at least #{smallest}. First " <>
      "release data that is no longer needed, or raise the outer limit"
  end

  defp advice(%{category: :heap} = error) do
    if mostly_mailbox?(error),
      do:
        "Most of its heap is messages in its queue: receive faster, have the sender wait for an answer " <>
          "before it sends more, or set max_queue",
      else: "Process the data in pieces (a stream) instead of collecting it, or raise the limit"
  end

  # Several references to a binary: parts of it.
  defp advice(%{category: :binaries, binaries: {count, references, bytes}})
       when references >= 2 * count and count > 0 do
    "It held #{references} references to #{count} binaries of #{Format.bytes(div(bytes, count))} on average. Copy the bytes " <>
      "you need with BoundedBinary.slice/3, so that their source binaries can be freed, or raise the limit"
  end

  defp advice(%{category: :binaries, binaries: {count, _references, bytes}}) when count > 1 do
    "It referenced #{count} binaries of #{Format.bytes(div(bytes, count))} on average. Process them one at a time " <>
      "(a stream), copy the bytes you need of each with BoundedBinary.slice/3, or raise the limit"
  end

  defp advice(%{category: :binaries}),
    do:
      "Copy the bytes you need with BoundedBinary.slice/3, so that their source binaries " <>
        "can be freed, or raise the limit"

  defp advice(%{category: :native}),
    do: "Release data that is no longer needed before allocating more, or raise the limit"

  defp advice(%{category: :system}),
    do:
      "Allocate less at once, or give the node more memory. Bounded.Doctor shows how the node uses its memory"

  defp advice(%{category: :ets}),
    do: "Delete rows that are no longer needed, or keep the table outside of the work"

  defp advice(%{category: :queue}),
    do: "Receive faster, or have the sender wait for an answer before it sends more"

  defp advice(%{category: :children}),
    do: "Start fewer at a time (Task.async_stream/3), or raise max_children"

  defp advice(%{category: :result}),
    do: "Return less, or write the result to its destination inside the work"

  defp advice(%{category: :captures}) do
    "Capture only terms that are used (a copy loses sharing, so a term that occurs twice is copied twice), keep Logger " <>
      "metadata and the label (64 KiB) small, or load the data inside the work"
  end

  defp advice(%{category: :unknown}), do: "Find the tool that traces the processes of this node"

  defp mostly_mailbox?(%{usage: usage, messages: messages, mailbox: mailbox}),
    do: 2 * max(mailbox, (messages || 0) * @message_bytes) > usage.heap

  defp usage(usage) do
    "heap #{Format.bytes(usage.heap)}, binaries #{Format.bytes(usage.binaries)}, " <>
      "native #{Format.bytes(usage.native)}" <>
      if(usage.ets > 0, do: ", ets #{Format.bytes(usage.ets)}", else: "")
  end

  # The first frame outside the standard libraries.
  defp place(nil), do: ""

  defp place(stack) do
    case Enum.find(stack, fn {module, _, _, _} -> not standard?(module) end) do
      nil -> ""
      entry -> ", last seen in #{Exception.format_stacktrace_entry(entry)}"
    end
  end

  defp standard?(module) do
    case :application.get_application(module) do
      {:ok, application} -> application in @standard
      :undefined -> :code.which(module) == :preloaded or beside?(module)
    end
  end

  # In a script the application is not loaded. Modules in this module's directory belong to it.
  defp beside?(module),
    do: directory(module) != nil and directory(module) == directory(__MODULE__)

  defp directory(module) do
    case :code.which(module) do
      [_ | _] = path -> :filename.dirname(path)
      _not_in_a_file -> nil
    end
  end
end
