defmodule Bench.Escapes.Row do
  # One way to go over a limit, and the figure that it is held to.
  #
  #   name      unique; the filter of the command line looks in it
  #   held      the largest peak allowed: resident memory over the baseline, as a multiple of the limit. A number, or
  #             `[{release, number}]`, each from that release of OTP on
  #   work      what runs in the quota, of no arguments, or of one: what `prepare` returned, which it then captures
  #   limit     bytes
  #   options   of `Quota.try_run/3`, or a function that makes them of what `prepare` returned
  #   prepare   runs before the baseline is taken, outside the quota
  #   beside    runs in a process outside the quota while the work runs; gets what `prepare` returned
  #   via       `:run`, or `:put_limit`: the work runs in a process that limits itself
  #   ends      `:stopped`: the work must not return. `:returns`: it must. `:either`: both are right
  #   counted   false: the kind is not covered by a limit; the row states what that costs
  #   why       why the figure is not smaller, or what to do instead
  #   since, until   first and last release of OTP that the row runs on

  @mib 1024 * 1024

  @enforce_keys [:name, :held, :work]
  defstruct [
    :kind,
    :name,
    :held,
    :work,
    :prepare,
    :beside,
    :why,
    limit: 64 * @mib,
    options: [],
    via: :run,
    ends: :stopped,
    counted: true,
    since: 25,
    until: 99
  ]

  def row(name, held, fields \\ [], work),
    do: struct!(%__MODULE__{name: name, held: held, work: work}, fields)

  @doc "The figure that a row is held to on this release of OTP."
  def held(%{held: held}) when is_number(held), do: held

  def held(%{held: held}) do
    {_, figure} = held |> Enum.filter(&(elem(&1, 0) <= release())) |> Enum.max()
    figure
  end

  def here?(row), do: release() in row.since..row.until

  def release, do: String.to_integer(System.otp_release())
end
